"""Map the top-level folders to one import namespace: `jobs/` is `freshet.jobs`, `udfs/` is `freshet.udfs`, and so on."""

from setuptools import setup

HOME = ("freshet", "freshet.archive", "freshet.commands", "freshet.doctor", "freshet.replay", "freshet.stack")
LAYERS = (
    "schemas",
    "udfs",
    "udfs.aggregates",
    "udfs.operators",
    "models",
    "models.reranking",
    "models.sources",
    "jobs",
)

setup(
    packages=[*HOME, *(f"freshet.{layer}" for layer in LAYERS), "freshet.flink_conf"],
    package_dir={f"freshet.{layer}": layer.replace(".", "/") for layer in LAYERS}
    | {"freshet.flink_conf": "flink-conf"},
    package_data={
        "": ["py.typed"],
        "freshet.schemas": ["*.avsc"],
        "freshet.udfs": ["*.lua", "java/freshet/*/*.java"],
        "freshet.models": ["*.yaml", "artefacts/*", "artefacts/*/*/*"],
        "freshet.flink_conf": ["*.yaml", "*.properties", "*.lock"],
    },
)
