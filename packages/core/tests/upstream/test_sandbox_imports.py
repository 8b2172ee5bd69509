"""`import_again`: names of temporalio's sandbox that have no public name."""

from pathlib import Path

import temporalio.worker.workflow_sandbox

from strands_temporal._upstream import sandbox


def test_the_script_has_the_same_name_in_temporalios_sandbox() -> None:
    folder = Path(str(temporalio.worker.workflow_sandbox.__file__)).parent
    for path in (folder / "_importer.py", folder / "_runner.py", Path(sandbox.__file__)):
        assert '"__temporal_main__"' in path.read_text()


def test_outside_of_a_sandbox_a_function_stays_as_it_is() -> None:
    assert sandbox.import_again(sandbox.passing_through) is sandbox.passing_through
