"""The label: what the model is to predict. It is a column of a source, and no feature."""

import pyarrow as pa

from poc.definitions import FeatureSet, ServedFeatures, ServedView
from poc.errors import ColumnsMissing, DatasetNotPrepared, DatasetUnreadable, LabelsUnavailable
from poc.online_store.source import open_dataset

LABEL = "is_fraud"


def labelled_view(served: ServedFeatures) -> ServedView:
    """Find the view whose source has the label: each row of that source is an example.

    Raises:
        DatasetNotPrepared, DatasetUnreadable: a source cannot be read.
        ColumnsMissing: the only source has no label.
        LabelsUnavailable: none of several has one, or more than one has.
    """
    columns = {view.definitions.source_path: source_columns(view.definitions) for view in served.views}
    labelled = [path for path, names in columns.items() if LABEL in names]
    if not labelled and len(columns) == 1:
        [(path, names)] = columns.items()
        raise ColumnsMissing(path, [LABEL], names)
    if len(labelled) != 1:
        found = labelled or list(columns)
        which = "several of them have" if labelled else "none of them has"
        raise LabelsUnavailable(found, f"{which} a column {LABEL}")
    return next(view for view in served.views if view.definitions.source_path == labelled[0])


def source_columns(definitions: FeatureSet) -> list[str]:
    """Name the columns of the source, as it calls them.

    Raises:
        DatasetNotPrepared, DatasetUnreadable: it cannot be read.
    """
    path = definitions.source_path
    if not path.exists():
        raise DatasetNotPrepared(path)
    try:
        return list(open_dataset(str(path)).schema.names)
    except (pa.ArrowException, OSError) as error:
        raise DatasetUnreadable(path, str(error).partition("\n")[0]) from error
