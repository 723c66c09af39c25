# Wrong words on the command line: one line, exit code 2, the nearest right word where there is one.
complains 2 "unknown verb 'trian'; did you mean 'train'" trian x.yaml
complains 2 "unknown verb 'frobnicate'; see csctrl --help" frobnicate
complains 2 'unknown option --jsn before a verb' --jsn eval run
complains 2 'unknown option --outt; did you mean --out' train --outt x y.yaml
complains 2 'unknown option -z; see csctrl train --help' train -z
complains 2 'expected CONFIG; see csctrl train --help' train
complains 2 "unexpected argument 'b.yaml'" train a.yaml b.yaml
complains 2 'option --out needs DIR' train a.yaml --out
complains 2 'option --set needs KEY=VALUE' eval run --set
complains 2 '--log-format: expected text or json' train a.yaml --log-format xml
complains 2 'expected verify or info' data check photos
complains 2 'expected bash, zsh or fish' completion tcsh
complains 2 'expected -o DIR' reconstruct run a.png
complains 2 'expected -o FILE' encode run a.png
complains 2 'expected -o DIR' decode run a.npy
complains 2 'expected -o FILE' sample run -n 4
complains 2 "--out: expected a name that ends in \.png, found 'grid\.jpg'" sample run -n 4 -o grid.jpg
complains 2 "--out: .*found 'png'" sample run -n 4 -o png
complains 2 'expected -n N' sample run -o grid.png
complains 2 "--count: expected a whole number from 1 to 10000, found '0'" sample run -n 0 -o g.png
complains 2 "--count: .*found '4x'" sample run -n 4x -o g.png
complains 2 "--seed: .*found '-1'" sample run -n 4 --seed -1 -o g.png
complains 2 'run' eval run
complains 2 'run' info run
complains 2 'run' resume run
missing g.png grid.png runs run
