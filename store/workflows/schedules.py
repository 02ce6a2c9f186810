"""The workflows that start by Hubbub's clock, and when."""

from store.schedules import Schedules
from store.tables.workflows import WorkflowScheduleRow

WORKFLOWS: Schedules[WorkflowScheduleRow] = Schedules("workflow_schedules", "name")
