"""The feature flags of this process: a copy of what is set, and what its calls counted."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bot.errors import Refused
from bot.flags import rollout
from store.engine.transaction import Store, Tx
from store.flags import feature_flags, flag_counts
from store.flags.flag_counts import Arm, Count
from store.tables.flags import FeatureFlagRow


@dataclass
class Trial:
    """One call. Its caller says whether it failed."""

    is_on: bool
    is_error: bool = False


@dataclass
class Flags:
    """`is_on` costs no statement. A loop renews the copy every few seconds."""

    _rows: dict[tuple[int, str], FeatureFlagRow] = field(default_factory=dict)
    _names: frozenset[str] = frozenset()
    _counts: defaultdict[Arm, Count] = field(default_factory=lambda: defaultdict(Count))

    def is_on(self, name: str, installation_id: int) -> bool:
        return rollout.is_on(self._rows, name, installation_id)

    def count(self, name: str, installation_id: int, *, is_error: bool) -> None:
        """Count a call in the arm of its installation, while somebody has set the flag."""
        if name in self._names:
            arm = Arm(installation_id, name, self.is_on(name, installation_id))
            self._counts[arm].add(is_error=is_error)

    @contextmanager
    def measure(self, name: str, installation_id: int) -> Iterator[Trial]:
        """Count what is done in this block. A bug is an error, and so is what the block says."""
        trial = Trial(self.is_on(name, installation_id))
        try:
            yield trial
        except (ConnectionError, Refused):  # the client is gone, or wrong
            raise
        except Exception:
            trial.is_error = True
            raise
        finally:
            self.count(name, installation_id, is_error=trial.is_error)

    async def refresh(self, store: Store) -> None:
        """Store what was counted, and read what is set."""
        counts = dict(self._counts)
        self._counts.clear()

        async def add(tx: Tx) -> None:
            for arm, count in counts.items():
                await flag_counts.add(tx, arm, count)

        if counts:
            try:
                await store.write(add)
            except BaseException:
                for arm, count in counts.items():
                    self._counts[arm].calls += count.calls
                    self._counts[arm].errors += count.errors
                raise
        found = await store.read(feature_flags.rows)
        self._rows = {(row["installation_id"], row["name"]): row for row in found}
        self._names = frozenset(row["name"] for row in found)
