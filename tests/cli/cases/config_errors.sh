# Errors in a config name file, line, key and the nearest known key; nothing is made on disk.
tiny
printf 'threads: 1\ntrain:\n  bach: 16\n' >bad.yaml
complains 2 'bad\.yaml:3:.*train\.bach.*train\.batch' train bad.yaml
printf 'train:\n  batch: 16\n  batch: 17\n' >bad.yaml
complains 2 'bad\.yaml:3:.*train\.batch' train bad.yaml
printf 'train:\n  batch: 1\n' >bad.yaml
complains 2 'bad\.yaml:2:.*train\.batch.*from 2 to 1000000' train bad.yaml
printf 'train:\n  batch: many\n' >bad.yaml
complains 2 'bad\.yaml:2:.*train\.batch.*many' train bad.yaml
printf 'device: gpu\n' >bad.yaml
complains 2 'bad\.yaml:1:.*device.*auto.*cpu.*ref' train bad.yaml
printf 'train: [1, 2\n' >bad.yaml
complains 2 'bad\.yaml:' train bad.yaml
printf '\000\377\376' >bad.yaml
complains 2 'bad\.yaml' train bad.yaml
complains 2 '--set trian\.batch=3: .*train\.batch' train tiny.yaml --set trian.batch=3
complains 2 '--set train\.batch=0: ' train tiny.yaml --set train.batch=0
complains 2 '--set train\.batch: ' train tiny.yaml --set train.batch
complains 2 '--set optim\.encoder_lr=nan: ' train tiny.yaml --set optim.encoder_lr=nan
complains 2 'layers|8x4' train tiny.yaml --set model.layers=8x4q
complains 2 'layers|16' train tiny.yaml --set model.layers='8x40s1p0'
CSCTRL_THREADS=lots
export CSCTRL_THREADS
complains 2 'CSCTRL_THREADS' info tiny.yaml --set threads=0
expect 0 info tiny.yaml
unset CSCTRL_THREADS
CSCTRL_ISA=mmx
export CSCTRL_ISA
complains 2 'CSCTRL_ISA.*avx2' train tiny.yaml
unset CSCTRL_ISA
missing runs
