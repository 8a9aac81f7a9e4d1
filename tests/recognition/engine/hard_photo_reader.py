"""Reads the photo on its input under limits of memory and time, and prints "read" or the code of why it is refused."""

import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from recognition.engine.base import PhotoError
from recognition.engine.image import decode

data = sys.stdin.buffer.read()
pages = int(Path("/proc/self/statm").read_text().split()[0])
memory = pages * resource.getpagesize() + 300 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
try:
    decode(data)
    print("read")
except PhotoError as error:
    print(error.code)
