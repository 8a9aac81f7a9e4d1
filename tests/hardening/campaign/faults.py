"""All faults, by name."""

from tests.hardening.campaign.clock import Clock
from tests.hardening.campaign.fault import Fault
from tests.hardening.campaign.kills import (
    KillBackend,
    KillCameras,
    KillDatabase,
    KillEverything,
    KillJobs,
    KillSupervisor,
    KillWeb,
    KillWorker,
)
from tests.hardening.campaign.network import Idle, SlowReaders, SlowUploads
from tests.hardening.campaign.shortage import Connections, FullDisk, Lock, OutOfMemory, OutOfMemoryKilled

# Those that share a platform stand together; the clock needs one of its own.
FAULTS: dict[str, type[Fault]] = {
    "kill-worker": KillWorker,
    "kill-web": KillWeb,
    "kill-jobs": KillJobs,
    "kill-cameras": KillCameras,
    "kill-backend": KillBackend,
    "kill-database": KillDatabase,
    "kill-supervisor": KillSupervisor,
    "kill-everything": KillEverything,
    "connections": Connections,
    "lock": Lock,
    "slow-readers": SlowReaders,
    "idle": Idle,
    "slow-uploads": SlowUploads,
    "memory": OutOfMemory,
    "memory-killed": OutOfMemoryKilled,
    "disk": FullDisk,
    "clock": Clock,
}
