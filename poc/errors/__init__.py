"""Every error a person can meet: what happened, then what to do.

Raised anywhere, caught only where it becomes an exit status (`poc.command_line`) or an HTTP answer
(`poc.serving.problems`).

One module a room; everything is imported from here.
"""

from poc.errors.configuration import *
from poc.errors.dataset import *
from poc.errors.local_cassandra import *
from poc.errors.materialization import *
from poc.errors.measurement import *
from poc.errors.model import *
from poc.errors.retrieval import *
from poc.errors.serving import *
from poc.online_store.errors import *
