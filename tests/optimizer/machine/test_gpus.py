"""Graphics processors, with a library that plays NVIDIA's."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from optimizer.machine.gpus import Gpus
from optimizer.machine.readings import GpuReading


class FakeError(Exception):
    """Stands for NVMLError."""


def fake_library(*, splits: bool = False) -> ModuleType:
    """Two devices; split ones do not say how busy they are."""

    def utilization(_: int) -> SimpleNamespace:
        if splits:
            raise FakeError("not supported")
        return SimpleNamespace(gpu=40)

    nvml = ModuleType("pynvml")
    nvml.__dict__.update(
        NVMLError=FakeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda handle: f"device {handle}",
        nvmlDeviceGetMemoryInfo=lambda _: SimpleNamespace(total=800, used=200),
        nvmlDeviceGetUtilizationRates=utilization,
    )
    return nvml


@pytest.fixture
def with_driver(tmp_path: Path) -> Path:
    """A tree in which the driver lists devices."""
    (tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0").mkdir(parents=True)
    return tmp_path


def test_every_device_is_read_by_its_index(
    with_driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_library())

    assert Gpus(with_driver).read() == (
        GpuReading(0, "device 0", 40.0, 800, 200),
        GpuReading(1, "device 1", 40.0, 800, 200),
    )


def test_a_device_that_is_split_does_not_say_how_busy_it_is(
    with_driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_library(splits=True))

    assert [device.usage for device in Gpus(with_driver).read()] == [None, None]


def test_without_driver_or_library_there_is_nothing_and_no_noise(
    tmp_path: Path, with_driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)

    assert Gpus(with_driver).read() == ()
    assert Gpus(tmp_path / "nowhere").read() == ()
