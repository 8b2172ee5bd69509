"""The parts of a release's rehearsal, on small things: `make release-check` runs it whole."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from scripts import sbom, smoke
from scripts.release_rehearsal import check_floors, check_metadata, check_sboms, compare, local_index, publish
from scripts.workspace import ROOT, UV, read_packages, run


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distributions of the smallest package."""
    folder = tmp_path_factory.mktemp("dist")
    run(UV, "build", "--quiet", "--package", "strands-temporal-otel", "--out-dir", str(folder), cwd=ROOT)
    return folder


def test_distributions_hold_sources_licence_and_metadata(
    dist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    smoke.check_contents(dist)
    check_metadata(dist)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_metadata_that_pypi_would_refuse_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            "x-1.dist-info/METADATA", "Metadata-Version: 2.4\nName: x\nVersion: 1\nLicense-Expression: Mine\n"
        )
    with pytest.raises(SystemExit, match=r"PyPI would refuse the metadata of x-1-py3-none-any.whl: .*Mine"):
        check_metadata(tmp_path)


def test_a_distribution_without_a_licence_is_named(dist: Path, tmp_path: Path) -> None:
    [whole] = dist.glob("*.whl")
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(tmp_path / whole.name, "w") as target:
        for name in source.namelist():
            if not name.endswith("LICENSE"):
                target.writestr(name, source.read(name))
    with pytest.raises(SystemExit, match=r"missing \['LICENSE'\], too many \[\]"):
        smoke.check_contents(tmp_path)


def test_a_floor_that_does_not_work_is_named(dist: Path, tmp_path: Path) -> None:
    [otel] = [package for package in read_packages(ROOT) if package.short == "otel"]
    lacking = replace(otel, project={**otel.project, "dependencies": ["strands-temporal>=0.0.1"]})
    with pytest.raises(
        SystemExit, match=r"Raise the floor that is too low, in packages/otel/pyproject.toml."
    ):
        check_floors(lacking, tmp_path, ("--no-index", "--find-links", str(dist)))


def test_an_index_takes_what_is_uploaded(dist: Path, tmp_path: Path) -> None:
    [otel] = [package for package in read_packages(ROOT) if package.short == "otel"]
    with local_index(tmp_path / "index") as address:
        publish(otel, dist, tmp_path / "index", address)
    assert {file.suffix for file in (tmp_path / "index").iterdir()} == {".whl", ".gz"}


def test_builds_that_differ_are_named(tmp_path: Path) -> None:
    for folder, text in (("one", "a"), ("other", "b")):
        (tmp_path / folder / "sbom").mkdir(parents=True)
        (tmp_path / folder / "same.whl").write_text("same")
        (tmp_path / folder / "sbom" / "bill.json").write_text(text)
    (tmp_path / "one" / "more.whl").write_text("more")
    with pytest.raises(SystemExit, match=r"differ in \['sbom/bill.json', 'more.whl'\]"):
        compare(tmp_path / "one", tmp_path / "other")
    compare(tmp_path / "one", tmp_path / "one")


def test_a_bill_of_materials_has_what_a_package_brings_along(tmp_path: Path) -> None:
    bom = sbom.settled(sbom.export("strands-temporal-mcp"), 1_700_000_000)
    (tmp_path / "bill.cdx.json").write_text(json.dumps(bom))
    check_sboms(tmp_path)
    assert bom["metadata"]["component"]["name"] == "strands-temporal-mcp"
    names = {component["name"] for component in bom["components"]}
    assert {"strands-temporal", "strands-agents", "temporalio", "mcp"} <= names
    assert not names & {"pytest", "ruff", "strands-temporal-otel"}


def test_a_bill_of_materials_is_the_same_each_time() -> None:
    bills = [
        {"serialNumber": number, "metadata": {"timestamp": time}, "components": [1]}
        for number, time in (("urn:uuid:1", "2026-01-01T00:00:00Z"), ("urn:uuid:2", "2026-01-02T00:00:00Z"))
    ]
    one, other = (sbom.settled(bill, 1_700_000_000) for bill in bills)
    assert one == other
    assert one["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert sbom.settled({**bills[0], "components": [2]}, 1_700_000_000)["serialNumber"] != one["serialNumber"]


def test_a_bill_of_materials_that_is_not_valid_is_named(tmp_path: Path) -> None:
    (tmp_path / "bill.cdx.json").write_text(
        '{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": 1}'
    )
    with pytest.raises(
        SystemExit, match=r"bill.cdx.json is not valid CycloneDX 1.5: 1 is not of type 'array'"
    ):
        check_sboms(tmp_path)
