from pathlib import Path

from optimizer.enforcement.order import Granted, RunOrder
from optimizer.identity import LOCAL
from sequential_resource_optimization import SequentialResourceOptimizer, load_settings

GIB = 2**30


async def test_a_command_that_ran_before_leaves_others_the_room_that_it_seldom_uses(
    tmp_path: Path,
) -> None:
    """The pool is far larger than the machine, so what runs beside the test is little of it."""
    config = tmp_path / "sro.toml"
    config.write_text('[pools.memory]\ncapacity = "900 GiB"\n')
    settings = load_settings(environment={"DATA_DIR": str(tmp_path)}, config_file=config)
    order = RunOrder(command=("build",), directory="/", resources={"memory": "1-400 GiB"})

    async def bursts(sro: SequentialResourceOptimizer) -> list[float]:
        begun = [await sro.runs.begin(order, LOCAL, lambda said: None) for _ in range(4)]
        leases = [one.lease for one in begun if isinstance(one, Granted)]
        held = await sro.resource_allocator.list(LOCAL)
        for lease in leases:
            await sro.runs.ended(lease, wall_s=9.0, cpu_s=1.0, peak_bytes=GIB, exit_code=0)
        return sorted(one.burst["memory"] / GIB for one in held.allocations)

    async with SequentialResourceOptimizer(settings=settings) as sro:
        unknown, known = await bursts(sro), await bursts(sro)

    assert unknown[0] < 400
    assert known == [400] * 4
