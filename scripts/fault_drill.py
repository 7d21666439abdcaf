"""Kill one node of the embedded cluster, freeze another, and count what failed meanwhile.

    python scripts/fault_drill.py                each state lasts 15 s, about a minute and a half in all
    python scripts/fault_drill.py --seconds 5    a short one

It needs the three nodes of `start_cassandra.py --nodes 3`, and features materialized into them with
FEAST_FS_YAML_FILE_PATH=feature_repo/stores/cluster.yaml. Exit status 1 if a read failed, or a write that was
acknowledged is not there afterwards, or was missed by a read that began later. A read may take
FEATURE_TIMEOUT_SECONDS, as in a server.
"""

from poc.command_line import argument_parser, fail, note, ok, run
from poc.measurement.cluster import cluster_to_drill
from poc.settings import load_settings


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="how long each state lasts (default: 15)")
    arguments = parser.parse_args()
    if not 0 < arguments.seconds <= 3600:
        parser.error("--seconds must be more than 0, and an hour at most")
    settings = load_settings()
    cluster_to_drill(settings)
    # They import Feast, which takes seconds: not before the cheap check.
    from poc.feature_store import cassandra_connection
    from poc.measurement.drill import drill_table, first_errors, run_drill

    connection = cassandra_connection(settings)
    outcome = run_drill(settings, arguments.seconds)
    print(
        f"Reads at {connection.read_consistency} within {settings.feature_timeout_seconds:g} s,"
        f" writes at {connection.write_consistency}"
    )
    print(drill_table(outcome))
    failed, refused, lost = outcome.failed_reads, outcome.refused_writes, outcome.lost
    if failed:
        fail("\n  ".join([f"{len(failed):,} of {outcome.reads:,} reads failed", *first_errors(outcome)]))
    else:
        ok(f"{outcome.reads:,} reads, none failed")
    if refused:
        note(f"{len(refused):,} writes were not acknowledged: a client has to send them again")
    if lost:
        fail(f"{len(lost):,} of {outcome.acknowledged:,} acknowledged writes are lost")
    else:
        ok(f"{outcome.acknowledged:,} acknowledged writes, all there")
    if outcome.missed:
        fail(f"{outcome.missed:,} of {outcome.found:,} reads missed a write acknowledged before they began")
    else:
        ok(f"{outcome.found:,} reads of the newest acknowledged write, none missed it")
    return 1 if failed or lost or outcome.missed else 0


if __name__ == "__main__":
    run(main)
