"""Write poc/local_cassandra/cassandra_jars.txt: which jars make up a version of Cassandra, and their sha256.

For maintainers, after a new release of Cassandra. Resolves the version's dependencies with jgo, downloads
them all and writes their coordinates, sha256 and sizes; review the difference before committing it.

    python scripts/lock_cassandra_jars.py            the version that is locked now
    python scripts/lock_cassandra_jars.py 5.0.7      another one
"""

from poc.command_line import argument_parser, ok, run
from poc.local_cassandra.jars import LIST, ROOT, lock_jars, locked_version


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("version", nargs="?", help="of Apache Cassandra; by default the one that is locked")
    version = parser.parse_args().version
    if version is None:
        version = locked_version()
    jars = lock_jars(f"{ROOT}:{version}")
    megabytes = sum(jar.size_bytes for jar in jars) / 1e6
    ok(f"{LIST.name}: {len(jars)} jars of {ROOT}:{version}, {megabytes:.0f} MB")


if __name__ == "__main__":
    run(main)
