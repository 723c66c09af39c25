# A study that was stopped goes on where it was, also after SIGKILL; other settings are refused.
tiny
long='--set train.batches=400 --set train.eval_every=0 --set train.picture_every=0'
# shellcheck disable=SC2086
expect 0 study tied tiny.yaml --out whole --quiet $long
for signal in TERM INT KILL; do
    # shellcheck disable=SC2086
    start study tied tiny.yaml --out $signal $long
    wait_for "$signal/runs/untied/metrics.jsonl"
    sleep 0.1
    kill -$signal "$child"
    finish
    missing $signal/table.md
    find $signal/runs/tied -type f -printf '%p %s %T@\n' | sort >before
    step=$(last_step $signal/runs/untied)
    [ "$step" -lt 400 ] || fail "SIG$signal came too late"
    if [ $signal != KILL ]; then
        [ "$found" -eq 75 ] || fail "SIG$signal: expected exit code 75, found $found"
        [ "$(wc -l <err)" -eq 1 ] || fail "SIG$signal: expected one line on stderr"
        grep -q "^csctrl: interrupted in run 2 of 2, untied, .*continue with: csctrl study tied --out $signal$" err ||
            fail "SIG$signal: the last line does not say how to go on"
        [ "$step" -gt 0 ] || fail "SIG$signal: nothing was saved"
    fi
    expect 0 study tied --out $signal
    says '^run 1/2 tied  finished before$'
    says '^run 2/2 untied  step 400/400 '
    find $signal/runs/tied -type f -printf '%p %s %T@\n' | sort >after
    same before after
    same $signal/runs/untied/checkpoints/$(step 400)/model.safetensors \
        whole/runs/untied/checkpoints/$(step 400)/model.safetensors
    exists $signal/table.md $signal/table.json $signal/picture.png
done

# The same settings once more are no change.
# shellcheck disable=SC2086
expect 0 study tied tiny.yaml --out whole --quiet $long
silent
cp whole/table.md kept.md
complains 2 'whole: the study began with train\.batches=400, found 700; choose another --out' \
    study tied --out whole --set train.batches=700
complains 2 'whole: the study began with train\.batch=16, found 8;' \
    study tied tiny.yaml --out whole $long --set train.batch=8
complains 2 'whole holds the study tied, not steps; choose another --out' study steps --out whole
same kept.md whole/table.md

# A run that somebody trained on with other settings is not taken for the study's.
expect 0 resume whole/runs/untied --quiet --set train.batches=410 --set optim.clip=1
complains 2 'whole/runs/untied was trained with optim\.clip=1, the study tied asks for 0; remove' \
    study tied --out whole

# A last checkpoint that was deleted is trained again, from the one before it.
# The best is not asked, as resume does not ask it.
rm -r TERM/runs/untied/checkpoints/$(step 400)
older=$(find TERM/runs/untied/checkpoints -name 'step-*' | sort | tail -n 1)
cp -r "$older" TERM/runs/untied/checkpoints/$(step 1)
echo "$(step 1)" >TERM/runs/untied/checkpoints/best
expect 0 study tied --out TERM
if grep "$(step 1) is taken" err; then fail "the study asks the best checkpoint"; fi
says '^run 2/2 untied  step 400/400 '
same TERM/runs/untied/checkpoints/$(step 400)/model.safetensors \
    KILL/runs/untied/checkpoints/$(step 400)/model.safetensors

# What was killed before its first checkpoint begins anew; what else is there is not touched.
begins_anew() {
    rm -r whole/runs/untied/checkpoints
    mkdir -p whole/runs/untied/checkpoints/.unfinished
    echo torn >whole/runs/untied/checkpoints/.unfinished/model.safetensors
    echo torn >whole/runs/untied/checkpoints/latest.0a1b2c
}
# All that a run with pictures and events writes, except for its checkpoints.
begins_anew
touch whole/runs/untied/events.out.tfevents.0000000001.csctrl.000
touch whole/runs/untied/pictures/$(step 1).png whole/runs/untied/pictures/$(step 2).png.0a1b2c
exists whole/runs/untied/metrics.jsonl whole/runs/untied/manifest.json
expect 0 study tied --out whole --quiet
missing whole/runs/untied/events.out.tfevents.0000000001.csctrl.000
same whole/runs/untied/checkpoints/$(step 400)/model.safetensors \
    TERM/runs/untied/checkpoints/$(step 400)/model.safetensors
for notes in checkpoints/notes pictures/notes notes checkpoints/.unfinished/notes; do
    begins_anew
    echo mine >whole/runs/untied/$notes
    find whole/runs/untied | sort >before
    complains 2 'expected a run directory with a checkpoint, found none; remove' \
        study tied --out whole
    find whole/runs/untied | sort >after
    same before after
    rm whole/runs/untied/$notes
done

# Settings that were refused do not bind the directory.
complains 2 'layers' study tied tiny.yaml --out fresh --set 'model.layers=8x4s2p1 nonsense'
expect 0 study tied tiny.yaml --out fresh --quiet --set train.batches=2
mkdir other
echo mine >other/notes
complains 2 'other: expected a new or empty directory or one of a study, found other files' \
    study tied tiny.yaml --out other
missing other/study.json
complains 2 "unknown study 'tide'; did you mean 'tied'.*unseen.noise.batch-size.stability.baseline.tied.steps" \
    study tide
complains 2 "unknown study 'nonsense'; expected one of unseen.noise" study nonsense
complains 2 "config 'nowhere' not found" study tied nowhere --out n
complains 2 'expected parallel.comm none, found tcp' study tied tiny.yaml --out n \
    --set parallel.comm=tcp
expect 0 study --help
for name in unseen noise batch-size stability baseline tied steps; do
    says "^  $name +[a-zA-Z]"
done
