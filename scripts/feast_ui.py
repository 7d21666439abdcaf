"""Show Feast's web page: entities, feature views, services, data sources, and how they hang together.

    python scripts/feast_ui.py              on http://localhost:8888, until Ctrl-C
    python scripts/feast_ui.py --port 8889

Stands for `feast -c feature_repo ui`, which feast 0.38.0 cannot do before Python 3.12. What was applied
meanwhile shows when the page is reloaded.
"""

from contextlib import suppress

from poc.command_line import argument_parser, note, ok, run
from poc.settings import load_settings


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8888, help="port to listen on (default: 8888)")
    arguments = parser.parse_args()
    place = {"host": arguments.host, "port": arguments.port}
    settings = load_settings().model_copy(update=place)

    import uvicorn

    from poc.serving.edge import Edge
    from poc.serving.keys import read_keys
    from poc.serving.listening import configured, listen

    listener, url = listen(settings, arguments.port)
    note("Loading Feast ...")
    from poc.definitions import applied_service
    from poc.feature_store import open_feature_store
    from poc.pages.registry import ui_app

    store = open_feature_store(settings)
    applied_service(store, settings.feature_service)  # An empty page explains nothing.
    ok(f"Feast UI on {url}")
    app = Edge(ui_app(store), read_keys(settings))
    with suppress(KeyboardInterrupt):  # The way to end it.
        uvicorn.Server(configured(app, settings)).run(sockets=[listener])


if __name__ == "__main__":
    run(main)
