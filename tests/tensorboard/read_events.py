#!/usr/bin/env python3
"""read_events.py RUN - what TensorBoard reads of a run is what the run has in metrics.jsonl, pictures and checkpoints."""
import io
import json
import math
import pathlib
import sys

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SCALARS = {"objective/max_value": "max_value", "objective/min_value": "min_value",
           "learning_rate/encoder": "encoder_lr", "learning_rate/decoder": "decoder_lr",
           "speed/images_per_second": "images_per_second", "held_out/psnr": "psnr", "held_out/cosine": "cosine"}
ROUNDED = {"images_per_second": 0.051}  # metrics.jsonl has one digit of it


def main():
    run = pathlib.Path(sys.argv[1])
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0, "histograms": 0})
    events.Reload()
    tags = events.Tags()

    for tag, key in SCALARS.items():
        wanted = [(line["step"], line[key]) for line in lines if key in line]
        found = [(e.step, e.value) for e in events.Scalars(tag)]
        assert wanted and [s for s, _ in found] == [s for s, _ in wanted], (tag, found, wanted)
        for (_, have), (step, want) in zip(found, wanted):
            close = max(ROUNDED.get(key, 0.0), 1e-6 * abs(want))
            assert math.isclose(have, want, abs_tol=close), (tag, step, have, want)

    pictures = sorted((run / "pictures").glob("step-*.png"))
    images = events.Images("held_out/regenerations")
    assert tags["images"] == ["held_out/regenerations"], tags
    assert [f"step-{e.step:08d}.png" for e in images] == [p.name for p in pictures], (images, pictures)
    for event, path in zip(images, pictures):
        assert event.encoded_image_string == path.read_bytes(), path
        decoded = Image.open(io.BytesIO(event.encoded_image_string))
        decoded.load()
        assert decoded.size == (event.width, event.height), (decoded.size, event.width, event.height)

    evaluated = [line["step"] for line in lines if "psnr" in line]
    shapes = {1: (8, 1, 4, 4), 2: (16, 8, 4, 4), 3: (16, 16, 4, 4)}
    codes = {1: 16 * 8 * 8 * 8, 2: 16 * 16 * 4 * 4, 3: 16 * 16}
    for layer, shape in shapes.items():
        for tag, count in ((f"dictionary/layer_{layer}", math.prod(shape)), (f"codes/layer_{layer}", codes[layer])):
            found = events.Histograms(tag)
            assert [e.step for e in found] == evaluated, (tag, found)
            for e in found:
                h = e.histogram_value
                assert h.num == count == sum(h.bucket), (tag, h.num, count, sum(h.bucket))
                assert len(h.bucket) == len(h.bucket_limit) and list(h.bucket_limit) == sorted(h.bucket_limit), tag
                assert h.bucket_limit[-1] == h.max, tag
        # Atoms are of length one, so the squares add up to their number.
        last = events.Histograms(f"dictionary/layer_{layer}")[-1].histogram_value
        assert math.isclose(last.sum_squares, shape[0], rel_tol=1e-4), (layer, last)
        zeros = events.Scalars(f"zero_codes/layer_{layer}")
        assert [e.step for e in zeros] == evaluated and all(0.0 <= e.value <= 1.0 for e in zeros), zeros
    assert np.isfinite([e.value for tag in tags["scalars"] for e in events.Scalars(tag)]).all()
    print(f"{run.name}: {len(lines)} lines, {len(tags['scalars'])} scalars, {len(images)} pictures, "
          f"{len(tags['histograms'])} histograms")


if __name__ == "__main__":
    main()
