import sys, tempfile, time
from pathlib import Path
from running import *; from tools import *; from measure import *
with tempfile.TemporaryDirectory() as d:
    place=Place(Path(d)); place.compile()
    for w in WORKS:
        for t in (None,*TOOLS):
            b=time.monotonic()
            print(cost(place,w,t,0.05), round(time.monotonic()-b,1))
