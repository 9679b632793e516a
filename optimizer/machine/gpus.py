"""Graphics processors by index, through NVIDIA's library; absent without noise."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from optimizer.machine.readings import GpuReading, percent


class Gpus:
    """The NVIDIA devices that this process may use.

    The library is loaded and opened on the first look at a machine with the driver, and stays open:
    opening it anew would cost each sample tens of milliseconds.

    Args:
        root: Root of the file tree that holds `proc`.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._listed = root / "proc/driver/nvidia/gpus"
        self._nvml: ModuleType | None = None
        self._is_absent = False

    @property
    def are_there(self) -> bool:
        """Whether a look would ask a device."""
        return not self._is_absent

    def read(self) -> tuple[GpuReading, ...]:
        """Look at every device once; empty without devices, or without the extra `gpu`."""
        if self._is_absent:
            return ()
        if self._nvml is None:
            self._nvml = _opened() if self._listed.is_dir() else None
            if self._nvml is None:
                self._is_absent = True
                return ()
        try:
            return tuple(
                _device(self._nvml, index) for index in range(self._nvml.nvmlDeviceGetCount())
            )
        except self._nvml.NVMLError:
            self._nvml = None
            return ()


def _opened() -> ModuleType | None:
    """The library, ready for use; None when it is not installed or refuses."""
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml


def _device(nvml: ModuleType, index: int) -> GpuReading:
    """One device.

    Raises:
        NVMLError: It does not answer.
    """
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    name = nvml.nvmlDeviceGetName(handle)
    return GpuReading(
        index=index,
        name=name.decode() if isinstance(name, bytes) else str(name),
        usage=_usage(nvml, handle),
        memory_bytes=int(memory.total),
        memory_used_bytes=int(memory.used),
    )


def _usage(nvml: ModuleType, handle: object) -> float | None:
    """Busy share in %; None for devices that are split (MIG), which do not say."""
    try:
        return percent(float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu), 100.0)
    except nvml.NVMLError:
        return None
