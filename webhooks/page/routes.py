"""The pages: one table, with the address of each below /accounts/<account>."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from aiohttp import web

from webhooks.middleware import Handler
from webhooks.page import (
    actions,
    api_page,
    front,
    look,
    one_time_links,
    pages,
    shared_answers,
    static_files,
    updates,
)
from webhooks.page.views import (
    audit,
    budget,
    builder,
    contexts,
    deliveries,
    files,
    fleet,
    graph,
    insights,
    notifications,
    outbox,
    overview,
    plugins,
    task,
    tasks,
    tool,
    tool_servers,
    trackers,
    usage,
    workflows,
)
from webhooks.page.visit import ACCOUNTS, Visit

View: TypeAlias = Callable[[Visit], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True)
class Page:
    """`view` gives the values of the template of its name. `in_menu`: the menu leads to it.

    `needs`: the operation without which the page shows nothing, so the menu leaves it out.
    """

    path: str
    view: View
    title: str
    in_menu: bool = True
    needs: str = ""

    @property
    def template(self) -> str:
        return f"{self.view.__name__}.html"


TOOL = Page("tools/{tool}", tool.tool, "Tool", in_menu=False)
EDIT = Page("workflows/edit", builder.builder, "New workflow", in_menu=False)
PAGES = (
    Page("", overview.overview, "Overview"),
    Page("tasks", tasks.tasks, "Tasks"),
    Page("board", tasks.board, "Board"),
    Page("graph", graph.graph, "Graph"),
    Page("workflows", workflows.workflows, "Workflows", needs="list_workflows"),
    Page("agents", fleet.fleet, "Agents"),
    Page("contexts", contexts.contexts, "Contexts"),
    Page("outbox", outbox.outbox, "Outbox"),
    Page("budget", budget.budget, "Budget"),
    Page("deliveries", deliveries.deliveries, "Deliveries"),
    Page(
        "notifications",
        notifications.notifications,
        "Notifications",
        needs="list_notification_targets",
    ),
    Page("plugins", plugins.plugins, "Plug-ins", needs="list_plugins"),
    Page("tool-servers", tool_servers.tool_servers, "Tool servers", needs="list_mounts"),
    Page("trackers", trackers.trackers, "Trackers", needs="list_trackers"),
    Page("insights", insights.insights, "Insights", needs="get_insights"),
    Page("usage", usage.usage, "Usage", needs="get_usage"),
    Page("audit", audit.audit, "Audit", needs="list_audit"),
    EDIT,
    Page("workflows/{workflow}", workflows.workflow, "Workflow", in_menu=False),
    Page("agents/{agent}", fleet.agent, "Agent", in_menu=False),
    Page("tasks/{task}", task.task, "Task", in_menu=False),
    Page("tasks/{owner}/{repository}/{number}", task.task, "Task", in_menu=False),
    Page("contexts/{context}", contexts.context, "Context", in_menu=False),
    TOOL,
    Page("tool-servers/{mount}", tool_servers.tool_server, "Tool server", in_menu=False),
    Page("files/{file}", files.file, "File", in_menu=False),
    Page("plugins/{plugin}", plugins.plugin, "Plug-in", in_menu=False),
    Page("registry/{plugin}", plugins.registry_plugin, "Plug-in of a registry", in_menu=False),
    Page("trackers/{tracker}", trackers.tracker, "Tracker", in_menu=False),
    Page("deliveries/{guid}", deliveries.delivery, "Delivery", in_menu=False),
)


def add_routes(app: web.Application) -> None:
    menu = [(each.path, each.title, each.needs) for each in PAGES if each.in_menu]
    for each in PAGES:
        address = f"{ACCOUNTS}/{{account}}/{each.path}".rstrip("/")
        app.router.add_get(address, _handler(each, menu))
    app.router.add_get(f"{ACCOUNTS}/{{account}}/do/{{action}}", _action(actions.ask, menu))
    app.router.add_post(f"{ACCOUNTS}/{{account}}/do/{{action}}", _action(actions.act, menu))
    address = f"{ACCOUNTS}/{{account}}/workflows/edit"
    app.router.add_post(address, _handler(EDIT, menu, builder.change))
    address = f"{ACCOUNTS}/{{account}}/{TOOL.path}"
    app.router.add_post(address, _handler(TOOL, menu, tool.try_tool))
    app[updates.STREAMS] = updates.Streams()
    app[shared_answers.SHARED] = shared_answers.new_cache()
    # The answer to HEAD must have no body, and a stream is nothing else.
    app.router.add_get(f"{ACCOUNTS}/{{account}}/updates", updates.follow, allow_head=False)
    app.router.add_get(f"{ACCOUNTS}/{{account}}/look.css", look.style)
    app.router.add_get("/", front.front)
    app.router.add_get("/sign-in", front.sign_in)
    app.router.add_get("/link/{secret}", one_time_links.ask)
    app.router.add_post("/link/{secret}", one_time_links.use)
    app.router.add_get("/static/{hash}/{name:.+}", static_files.serve)
    app.router.add_get("/api/v1/docs", api_page.show)


def _action(
    step: Callable[[Visit, pages.Menu], Awaitable[web.Response]], menu: pages.Menu
) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await pages.answer(request, lambda visit: step(visit, menu))

    return handle


def _handler(page: Page, menu: pages.Menu, view: View | None = None) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        async def make(visit: Visit) -> web.Response:
            values = {"title": page.title, **await (view or page.view)(visit)}
            return pages.show(visit, page.template, values, menu, page.path)

        return await pages.answer(request, make)

    return show
