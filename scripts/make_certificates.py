"""Make the certificates of a Cassandra that is encrypted, for development on this machine.

    python scripts/make_certificates.py           make them where they are missing
    python scripts/make_certificates.py --renew   make them anew, then restart Cassandra

They are in .cassandra/tls (CASSANDRA_DIR): ca.pem, node.pem, client.pem and client.key, valid for 127.0.0.1
to 127.0.0.9 and localhost. `start_cassandra.py --secure` makes them by itself.
"""

from poc.command_line import argument_parser, ok, run
from poc.local_cassandra.secure import ensure_certificates
from poc.settings import load_settings


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--renew", action="store_true", help="also where they are there")
    arguments = parser.parse_args()
    folder = load_settings().cassandra_dir / "tls"
    made = ensure_certificates(folder, arguments.renew)
    ok(f"Certificates {'made' if made else 'are there already'}: {folder}")


if __name__ == "__main__":
    run(main)
