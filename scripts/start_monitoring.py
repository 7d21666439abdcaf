"""Watch the running servers: Prometheus, and Grafana where Docker is, until Ctrl-C.

    python scripts/start_monitoring.py
    PROMETHEUS_PORT=9091 python scripts/start_monitoring.py   where 9090 is taken

Which servers are watched, deploy/prometheus/targets/servers.yml says; what is an alert, the rules beside it.
Prometheus is the one on the PATH, else a container. Its data and both logs are in data/prometheus.
"""

import signal
import time
from contextlib import ExitStack

from poc.command_line import argument_parser, note, ok, run
from poc.errors import NotInProjectFolder
from poc.monitoring.local_programs import PROMETHEUS_FILES, grafana, prometheus, run_program
from poc.settings import load_settings

CHECK_SECONDS = 0.2


def main() -> None:
    argument_parser(__doc__).parse_args()
    settings = load_settings()
    if not PROMETHEUS_FILES.is_dir():
        raise NotInProjectFolder(PROMETHEUS_FILES)
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # Takes no lock, as setting an Event would: make passes on what the terminal has sent already.
        signal.signal(number, lambda sig, _: told.append(sig))
    folder = settings.data_dir / "prometheus"
    with ExitStack() as stack:
        watched = [stack.enter_context(run_program(prometheus(settings), folder))]
        if not watched[0].wait_until_ready(lambda: bool(told)):
            return
        # Debian's is built without the newer pages.
        targets, alerts = (watched[0].page(f"/{name}", f"/classic/{name}") for name in ("targets", "alerts"))
        ok(f"Prometheus is ready: {targets}  what it watches")
        note(f"  {alerts}   what is wrong now; docs/runbook.md says what to do")
        note(f"  {watched[0].program.url}/graph    any metric")
        dashboard = grafana(settings)
        if dashboard is None:
            note("  The dashboard needs Grafana, which is started where Docker is.")
        else:
            note("Starting Grafana ...")
            watched.append(stack.enter_context(run_program(dashboard, folder)))
            if not watched[1].wait_until_ready(lambda: bool(told)):
                return
            ok(f"Grafana is ready: {watched[1].program.url}  the dashboard")
        note("Ctrl-C stops it.")
        while not told:
            time.sleep(CHECK_SECONDS)
            for program in watched:
                program.require_running()


if __name__ == "__main__":
    run(main)
