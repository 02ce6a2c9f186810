"""The pages: one table, with the address of each below /accounts/<account>."""

from dataclasses import dataclass

from aiohttp import web

from webhooks.late_handlers import by_name, late
from webhooks.middleware import Handler
from webhooks.page import open_streams, shared_answers
from webhooks.page.visit import ACCOUNTS, Menu, Visit


@dataclass(frozen=True)
class Page:
    """`view`, as module.function, gives the values of the template of the function's name.

    A view is imported when somebody looks at it first. `in_menu`: the menu leads to the page.

    `needs`: the operation without which the page shows nothing, so the menu leaves it out.
    """

    path: str
    view: str
    title: str
    in_menu: bool = True
    needs: str = ""

    @property
    def template(self) -> str:
        return f"{self.view.partition('.')[2]}.html"


TOOL = Page("tools/{tool}", "tool.tool", "Tool", in_menu=False)
EDIT = Page("workflows/edit", "builder.builder", "New workflow", in_menu=False)
PAGES = (
    Page("", "overview.overview", "Overview"),
    Page("tasks", "tasks.tasks", "Tasks"),
    Page("board", "tasks.board", "Board"),
    Page("graph", "graph.graph", "Graph"),
    Page("workflows", "workflows.workflows", "Workflows", needs="list_workflows"),
    Page("agents", "fleet.fleet", "Agents"),
    Page("contexts", "contexts.contexts", "Contexts"),
    Page("outbox", "outbox.outbox", "Outbox"),
    Page("budget", "budget.budget", "Budget"),
    Page("deliveries", "deliveries.deliveries", "Deliveries"),
    Page(
        "notifications",
        "notifications.notifications",
        "Notifications",
        needs="list_notification_targets",
    ),
    Page("plugins", "plugins.plugins", "Plug-ins", needs="list_plugins"),
    Page("tool-servers", "tool_servers.tool_servers", "Tool servers", needs="list_mounts"),
    Page("trackers", "trackers.trackers", "Trackers", needs="list_trackers"),
    Page("insights", "insights.insights", "Insights", needs="get_insights"),
    Page("usage", "usage.usage", "Usage", needs="get_usage"),
    Page("audit", "audit.audit", "Audit", needs="list_audit"),
    EDIT,
    Page("workflows/{workflow}", "workflows.workflow", "Workflow", in_menu=False),
    Page("agents/{agent}", "fleet.agent", "Agent", in_menu=False),
    Page("tasks/{task}", "task.task", "Task", in_menu=False),
    Page("tasks/{owner}/{repository}/{number}", "task.task", "Task", in_menu=False),
    Page("contexts/{context}", "contexts.context", "Context", in_menu=False),
    TOOL,
    Page("tool-servers/{mount}", "tool_servers.tool_server", "Tool server", in_menu=False),
    Page("files/{file}", "files.file", "File", in_menu=False),
    Page("plugins/{plugin}", "plugins.plugin", "Plug-in", in_menu=False),
    Page("registry/{plugin}", "plugins.registry_plugin", "Plug-in of a registry", in_menu=False),
    Page("trackers/{tracker}", "trackers.tracker", "Tracker", in_menu=False),
    Page("deliveries/{guid}", "deliveries.delivery", "Delivery", in_menu=False),
)


def add_routes(app: web.Application) -> None:
    menu = [(each.path, each.title, each.needs) for each in PAGES if each.in_menu]
    for each in PAGES:
        address = f"{ACCOUNTS}/{{account}}/{each.path}".rstrip("/")
        app.router.add_get(address, _handler(each, menu))
    app.router.add_get(f"{ACCOUNTS}/{{account}}/do/{{action}}", _action("ask", menu))
    app.router.add_post(f"{ACCOUNTS}/{{account}}/do/{{action}}", _action("act", menu))
    address = f"{ACCOUNTS}/{{account}}/workflows/edit"
    app.router.add_post(address, _handler(EDIT, menu, "builder.change"))
    address = f"{ACCOUNTS}/{{account}}/{TOOL.path}"
    app.router.add_post(address, _handler(TOOL, menu, "tool.try_tool"))
    app[open_streams.STREAMS] = open_streams.Streams()
    app[shared_answers.SHARED] = shared_answers.new_cache()
    follow = late("page.updates.follow")
    # The answer to HEAD must have no body, and a stream is nothing else.
    app.router.add_get(f"{ACCOUNTS}/{{account}}/updates", follow, allow_head=False)
    app.router.add_get(f"{ACCOUNTS}/{{account}}/look.css", late("page.look.style"))
    app.router.add_get("/", late("page.front.front"))
    app.router.add_get("/sign-in", late("page.front.sign_in"))
    app.router.add_get("/link/{secret}", late("page.one_time_links.ask"))
    app.router.add_post("/link/{secret}", late("page.one_time_links.use"))
    app.router.add_get("/static/{hash}/{name:.+}", late("page.static_files.serve"))
    app.router.add_get("/api/v1/docs", late("page.api_page.show"))


def _action(step: str, menu: Menu) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        answer, act = await by_name("page.pages.answer"), await by_name(f"page.actions.{step}")
        response: web.StreamResponse = await answer(request, lambda visit: act(visit, menu))
        return response

    return handle


def _handler(page: Page, menu: Menu, view: str = "") -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        answer, show = await by_name("page.pages.answer"), await by_name("page.pages.show")
        values_of = await by_name(f"page.views.{view or page.view}")

        async def make(visit: Visit) -> web.Response:
            values = {"title": page.title, **await values_of(visit)}
            shown: web.Response = show(visit, page.template, values, menu, page.path)
            return shown

        response: web.StreamResponse = await answer(request, make)
        return response

    return handle
