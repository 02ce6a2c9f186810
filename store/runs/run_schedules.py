"""The templates that start by Hubbub's clock, and when."""

from store.schedules import Schedules
from store.tables.runs import RunScheduleRow

RUNS: Schedules[RunScheduleRow] = Schedules("run_schedules", "template")
