from functools import partial

from store.engine.transaction import Store
from store.mirror import code_objects
from tests.support.story import Clock

MEGABYTE = 1024**2


async def test_code_is_kept_by_repository_and_an_object_of_another_one_is_not_found(
    store: Store, installation_id: int
) -> None:
    here, other = (installation_id, 1), (installation_id, 2)
    await store.write(lambda tx: code_objects.put_all(tx, here, "blob", {"a": b"one", "b": b"two"}))
    found = await store.read(lambda tx: code_objects.get_all(tx, here, "blob", ["a", "b", "c"]))
    assert found == {"a": b"one", "b": b"two"}
    assert await store.read(lambda tx: code_objects.get(tx, other, "blob", "a")) is None
    assert await store.read(lambda tx: code_objects.get(tx, here, "tree", "a")) is None


async def test_a_name_is_replaced_and_has_the_time_at_which_it_was_read(
    store: Store, installation_id: int, clock: Clock
) -> None:
    here = (installation_id, 1)
    for sha in (b"1", b"2"):
        await store.write(partial(code_objects.put, here=here, kind="name", id_="v1", content=sha))
    found = await store.read(lambda tx: code_objects.named_at(tx, here, "v1"))
    assert found is not None
    assert (found[0], clock.at - found[1] < 1000) == ("2", True)


async def test_what_was_not_used_longest_goes_when_there_is_too_much_or_in_time(
    store: Store, installation_id: int, clock: Clock
) -> None:
    here = (installation_id, 1)
    for name in ("a", "b", "c"):
        await store.write(
            partial(code_objects.put, here=here, kind="blob", id_=name, content=name.encode())
        )
        clock.forward(7200)
    await store.write(lambda tx: code_objects.mark_used(tx, here, "blob", ["a"]))
    total = await store.read(lambda tx: code_objects.size_of(tx, installation_id))

    async def drop(most: int, before: int) -> set[str]:
        await store.write(
            lambda tx: code_objects.drop_unused(tx, installation_id, most, before, 10)
        )
        left = ("a", "b", "c")
        return await store.read(lambda tx: code_objects.existing(tx, here, "blob", left))

    assert await drop(MEGABYTE, 0) == {"a", "b", "c"}
    assert await drop(total - 1, 0) == {"a", "c"}
    clock.forward(3600)
    assert await drop(MEGABYTE, clock.at - 2 * 3600 * 1_000_000) == {"a"}
