"""Wait until a server on this machine is ready, and ask it for the prediction of one transaction.

    python poc/serve_model.py &
    python scripts/ask_for_prediction.py 8001 "$(python scripts/sample_transaction.py --json)" --pid $!

The server has the settings that this has: of its API_KEYS the first is sent, and over HTTPS where it has a
certificate, which is not checked on loopback. With --pid it is not waited for longer than that process runs.
"""

from poc.command_line import argument_parser, ok, run
from poc.settings import load_settings


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("port", type=int, help="where it listens on 127.0.0.1")
    parser.add_argument("body", help="the request, as JSON")
    parser.add_argument("--pid", type=int, help="the server's process")
    arguments = parser.parse_args()
    from poc.serving.asking import OwnServer

    server = OwnServer(load_settings(), arguments.port)
    server.wait_until_ready(arguments.pid)
    ok(f"A server answers at {server.url}")
    print(f"$ {server.command(arguments.body)}", flush=True)
    print(server.predict(arguments.body))


if __name__ == "__main__":
    run(main)
