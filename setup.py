"""Map the top-level folders to one import namespace: `jobs/` is `freshet.jobs`, `udfs/` is `freshet.udfs`, and so on."""

from setuptools import setup

HOME = ("freshet", "freshet.commands", "freshet.replay", "freshet.stack")
LAYERS = ("schemas", "udfs", "udfs.operators", "models", "jobs")

setup(
    packages=[*HOME, *(f"freshet.{layer}" for layer in LAYERS)],
    package_dir={f"freshet.{layer}": layer.replace(".", "/") for layer in LAYERS},
    package_data={"": ["py.typed", "*.avsc", "*.lua", "*.lock", "artefacts/*/*/*"]},
)
