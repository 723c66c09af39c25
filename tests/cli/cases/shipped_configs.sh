# A bare name finds a shipped config; without --out every run gets a directory of its own.
tiny
mkdir configs
mv tiny.yaml configs/little.yaml
expect 0 info little
says '8 x 1 x 4 x 4'
complains 2 "config 'litle' not found; did you mean 'little'" train litle
complains 2 "config 'zzzzzzzzzz.yaml' not found; .*little" info zzzzzzzzzz.yaml
complains 2 "config 'zzzzzzzzzz' not found; .*one of: .*little" train zzzzzzzzzz
expect 0 train little --quiet --set train.batches=2
silent
[ ! -s out ] || fail '--quiet printed something'
exists runs/little-1/config.yaml runs/little-1/checkpoints/step-00000002
expect 0 train little --quiet --set train.batches=1
exists runs/little-2/checkpoints/step-00000001
rm -r runs/little-1
expect 0 train little --quiet --set train.batches=1
exists runs/little-3/checkpoints/step-00000001
missing runs/little-1

# From any other folder a program in its build tree finds the configs of its source.
mkdir elsewhere
cd elsewhere || exit 1
expect 0 info fashion-mnist
complains 2 "did you mean 'fashion-mnist'\? \(looked in configs, .*/share/csctrl/configs, .*/configs\)$" \
    train fashion-mnst
complains 2 'one of: .*cifar10.* \(looked in configs, ' train zzzzzzzzzz
cd .. || exit 1

# A run that cannot start leaves no empty directory behind.
complains 2 'nowhere' train little --set data.kind=folder --set data.path=nowhere
missing runs/little-4
