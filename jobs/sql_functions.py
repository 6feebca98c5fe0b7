"""The functions of ours that the SQL of views may call, in Flink."""

from collections.abc import Sequence

from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from freshet.errors import FreshetError
from freshet.settings import Settings
from freshet.udfs.view_sql import ITEM_VECTOR, needs_item_vectors
from freshet.udfs.views import View


def register_functions(env: StreamTableEnvironment, settings: Settings, views: Sequence[View]) -> None:
    """Give a table environment the functions that these views call.

    Raises:
        FreshetError: they ask for vectors of items, and no file is named.
    """
    if not any(map(needs_item_vectors, views)):
        return
    path = settings.features.item_vectors
    if path is None:
        raise FreshetError("The features ask for vectors of items; name their file by FRESHET_FEATURES__ITEM_VECTORS.")
    function = get_gateway().jvm.freshet.features.ItemVector(str(path.expanduser().absolute()))
    env._j_tenv.createTemporarySystemFunction(ITEM_VECTOR, function)  # noqa: SLF001 - PyFlink takes a class alone
