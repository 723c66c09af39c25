"""The other end of bench/run.py: as csctrl_bench, one workload in a process, repeated on request and timed from inside."""
import json
import re
import sys
import time


def peak_kib():
    """Not getrusage(): its peak begins with what the parent had."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def settings():
    """What run.py asks for: one JSON object."""
    return json.loads(sys.argv[1])


def layers(text):
    """"64x4s2p1 ..." as (atoms, kernel, stride, pad), first layer first."""
    return [tuple(map(int, re.fullmatch(r"(\d+)x(\d+)s(\d+)p(\d+)", word).groups())) for word in text.split()]


def serve(make, device_kib=lambda: 0):
    """make() returns the function to repeat, the images a repetition and, if need be, further facts for run.py. One
    repetition to warm up, then as asked. device_kib: the peak of a GPU's memory."""
    base = peak_kib()
    step, images, *facts = make()
    step()
    print(json.dumps({"images": images, "base_kib": base, **(facts[0] if facts else {})}), flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
        print(json.dumps({"seconds": seconds, "peak_kib": peak_kib(), "device_kib": device_kib()}), flush=True)
