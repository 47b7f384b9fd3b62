"""Price lists of SkyPilot and gpuhunt, with the traps of the real files (the rows are theirs, shortened)."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from planner.catalog.load import load
from planner.catalog.prices.difference import RowChange, difference, render
from planner.catalog.prices.gpuhunt import read_gpuhunt
from planner.catalog.prices.shared import chips, memory_of, repaired
from planner.catalog.prices.skypilot import host_gpus, read_skypilot
from planner.cli.verbs import catalog as cli

GCP = """\
InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,AvailabilityZone,Price,SpotPrice
a2-highgpu-1g,12.0,85.0,,,,us-central1,us-central1-a,0.73948,0.36975
a2-highgpu-1g,12.0,85.0,,,,us-central1,us-central1-b,0.73948,0.30000
a2-highgpu-1g,12.0,85.0,,,,us-west3,us-west3-b,0.8882,0.44392
,,,A100,1,{'Gpus': [{'MemoryInfo': {'SizeInMiB': 40960}}]},us-central1,us-central1-a,2.93391,1.4341
,,,A100,1,{'Gpus': [{'MemoryInfo': {'SizeInMiB': 40960}}]},us-central1,us-central1-b,2.93391,1.4341
g2-standard-24,24.0,96.0,,,,us-central1,us-central1-a,0.8800,0.3
,,,L4,2,{'Gpus': [{'MemoryInfo': {'SizeInMiB': 24576}}]},us-central1,us-central1-a,1.12008,0.4686
,,,tpu-v5litepod-8,1,tpu-v5litepod-8,us-central1,us-central1-a,9.6,2.05738
,,,tpu-v5p-8,1,tpu-v5p-8,us-central1,us-central1-a,16.8,3.31027
n1-standard-8,8.0,30.0,,,,us-central1,us-central1-a,0.38,0.08
"""


N1 = """\
InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,AvailabilityZone,Price,SpotPrice
n1-highcpu-8,8.0,7.2,,,,us-central1,us-central1-a,0.2834,0.10511
n1-highmem-4,4.0,26.0,,,,us-central1,us-central1-a,0.23661,0.08638
n1-highmem-8,8.0,52.0,,,,us-central1,us-central1-a,0.47321,0.17276
n1-standard-4,4.0,15.0,,,,us-central1,us-central1-a,0.19,0.06977
n1-standard-8,8.0,30.0,,,,us-central1,us-central1-a,0.38,0.13954
n1-ultramem-40,40.0,961.0,,,,us-central1,us-central1-a,0.0001,0.0001
n1-highmem-4,4.0,26.0,,,,us-west1,us-west1-c,0.23661,0.08638
,,,T4,1,{'Gpus': [{'MemoryInfo': {'SizeInMiB': 16384}}]},us-central1,us-central1-a,0.35,0.1654
,,,T4,1,{'Gpus': [{'MemoryInfo': {'SizeInMiB': 16384}}]},us-central1,us-central1-b,0.35,0.1654
,,,V100,1,{'Gpus': [{'MemoryInfo': {'SizeInMiB': 16384}}]},us-central1,us-central1-a,2.48,1.24
,,,V100,8,{'Gpus': [{'MemoryInfo': {'SizeInMiB': 16384}}]},us-central1,us-central1-a,19.84,9.92
a4-highgpu-8g,224.0,3968.0,,,,us-central1,us-central1-b,0.0,0.0
,,,B200,8,{'Gpus': [{'MemoryInfo': {'SizeInMiB': 184320}}]},us-central1,us-central1-b,90.216,34.2368
"""


@pytest.fixture(scope="module")
def catalog():
    return load()[0]


def save(folder: Path, text: str, name: str = "vms.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_hosts_and_accelerators_are_summed_and_zones_merged(tmp_path, catalog):
    found = read_skypilot(save(tmp_path, GCP), catalog, "gcp", "2026-05-20")
    rows = {row["id"]: row for row in found.rows}
    a100 = rows["gcp/us-central1/a2-highgpu-1g"]
    assert a100["price_usd_h"] == pytest.approx(0.73948 + 2.93391)
    assert a100["spot_usd_h"] == pytest.approx(0.3 + 1.4341)
    assert (a100["gpu"], a100["gpus"], a100["vcpus"]) == ("a100_sxm_40gb", 1, 12)
    assert (rows["gcp/us-central1/g2-standard-24"]["gpu"], rows["gcp/us-central1/g2-standard-24"]["gpus"]) == ("l4", 2)
    assert "gcp/us-west3/a2-highgpu-1g" not in rows
    assert rows["gcp/us-central1/tpu-v5litepod-8"]["gpus"] == 8
    assert rows["gcp/us-central1/tpu-v5p-8"]["gpus"] == 4
    assert len(rows) == 4


def test_the_same_instance_as_the_shipped_row(tmp_path, catalog):
    found = read_skypilot(save(tmp_path, GCP), catalog, "gcp", "2026-05-20")
    shipped = catalog.offers["gcp/us-central1/a2-highgpu-1g"]
    row = next(row for row in found.rows if row["id"] == shipped.id)
    assert row["override"] is True
    figures = (shipped.gpu, shipped.gpus, shipped.sold_by, shipped.vcpus, shipped.ram_gib)
    assert tuple(row[name] for name in ("gpu", "gpus", "sold_by", "vcpus", "ram_gib")) == figures


def test_gpus_are_attached_to_the_host_that_skypilot_would_rent(tmp_path, catalog):
    """The cheapest N1 with the vCPUs for that many GPUs and 4 GiB for each; in a zone without one there is no offer.

    The pairs the catalog has already are refreshed beside it: n1-standard-4 has a GiB too little for SkyPilot.
    """
    found = read_skypilot(save(tmp_path, N1), catalog, "gcp", "2026-05-20")
    rows = {row["instance_type"]: row for row in found.rows}
    assert rows["n1-highmem-4+1xT4"]["price_usd_h"] == pytest.approx(0.23661 + 0.35)
    assert rows["n1-highmem-4+1xT4"]["spot_usd_h"] == pytest.approx(0.08638 + 0.1654)
    assert (rows["n1-highmem-4+1xT4"]["vcpus"], rows["n1-highmem-4+1xT4"]["gpus"]) == (4, 1)
    assert (rows["n1-highmem-8+1xV100"]["gpu"], rows["n1-highmem-8+1xV100"]["price_usd_h"]) == ("v100", 2.95321)
    for kind in ("n1-standard-4+1xT4", "n1-standard-8+1xV100"):
        shipped = catalog.offers[f"gcp/us-central1/{kind}"]
        assert round(rows[kind]["price_usd_h"] * 10**6) == shipped.price
        assert round(rows[kind]["spot_usd_h"] * 10**6) == shipped.spot
        assert rows[kind]["override"] is True
    assert rows["a4-highgpu-8g"]["spot_usd_h"] == 34.2368  # its price on demand is listed and not to be had
    assert {row["region"] for row in found.rows} == {"us-central1"}
    assert len(rows) == 5


def test_azure_generations_and_unquoted_commas(tmp_path, catalog):
    text = (
        "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region,Generation\n"
        "Standard_NC24ads_A100_v4,A100-80GB,1,24,220,A100-80GB,3.673,0.98,eastus,V1,V2\n"
        "Standard_ND96isr_H100_v5,H100,8,96,1900,{'Gpus': [{'Name': 'H100', 'MemoryInfo': {'SizeInMiB': 80}}]},"
        "98.32,,eastus,V2\n"
        "short,row\n"
    )
    found = read_skypilot(save(tmp_path, text), catalog, "azure", "2026-05-20")
    rows = {row["instance_type"]: row for row in found.rows}
    assert rows["Standard_NC24ads_A100_v4"]["gpu"] == "a100_pcie_80gb"
    assert rows["Standard_ND96isr_H100_v5"]["gpus"] == 8
    assert [finding.span.line for finding in found.findings if finding.span] == [4]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("tpu-v4-8", ("tpu_v4", 4)),
        ("tpu-v5p-8", ("tpu_v5p", 4)),
        ("v5p-4096", ("tpu_v5p", 2048)),
        ("tpu-v5litepod-8", ("tpu_v5e", 8)),
        ("tpu-v6e-4", ("tpu_v6e", 4)),
        ("A100", None),
    ],
)
def test_cores_against_chips(name, found):
    assert chips(name) == found


def test_memory_is_read_without_running_anything():
    assert memory_of("{'Gpus': [{'MemoryInfo': {'SizeInMiB': 81920}}]}") == 80
    assert memory_of("{'Gpus': [{'MemoryInfo': {'SizeInMiB': 80}}]}") == 80
    for text in ("", "A100", "{'Gpus': []}", "{", "{" * 20_000, "{__import__('os').system('x')}", "{1: (" + "(" * 300):
        assert memory_of(text) is None
    assert repaired(["a", "b"], 3) is None


def test_gcp_hosts():
    assert host_gpus("a3-megagpu-8g") == ("H100-MEGA", 8)
    assert host_gpus("g2-standard-48") == ("L4", 4)
    assert host_gpus("g2-standard-5") is None
    assert host_gpus("n1-standard-8") is None


GPUHUNT = """\
instance_name,location,price,cpu,memory,gpu_count,gpu_name,gpu_memory,spot,disk_size
g2-standard-4,us-central1-a,0.7068,4,16,1,L4,24,False,
g2-standard-4,us-central1-b,0.2960,4,16,1,L4,24,True,
n1,us-central1-a,0.1,4,16,0,,,False,
odd,us-central1-a,1,4,16,1,NOSUCH,24,False,
free,us-central1-a,0,4,16,1,L4,24,False,
"""


def test_gpuhunt_rows_of_one_instance_are_joined(tmp_path, catalog):
    found = read_gpuhunt(save(tmp_path, GPUHUNT, "gcp.csv"), catalog, "gcp", "2026-07")
    (row,) = found.rows
    assert (row["id"], row["price_usd_h"], row["spot_usd_h"]) == ("gcp/us-central1/g2-standard-4", 0.7068, 0.296)
    assert "NOSUCH" in found.findings[0].message
    assert found.skipped == 2


def test_differences():
    before: dict[str, dict[str, object]] = {"a": {"id": "a", "price": 1}, "b": {"id": "b"}}
    after: dict[str, dict[str, object]] = {"a": {"id": "a", "price": 2, "override": True}, "c": {"id": "c"}}
    changes = difference(before, after)
    assert changes == (RowChange("~", "a", (("price", 1, 2),)), RowChange("-", "b"), RowChange("+", "c"))
    assert render(changes).splitlines()[-1] == "1 new, 1 gone, 1 changed"


def run(*words):
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def test_the_verb_shows_writes_and_reads_back(tmp_path):
    file, output = save(tmp_path, GCP), tmp_path / "my_offers.yaml"
    words = ("import", file, "--from", "skypilot", "--cloud", "gcp", "--as-of", "2026-05-20", "-o", output)
    dry = run(*words, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert not output.exists()
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert "sha256" in done.stdout and "~ gcp/us-central1/a2-highgpu-1g" in done.stdout
    again = run(*words)
    assert "0 new, 0 gone, 0 changed" in again.stdout
    first = output.read_bytes()
    run(*words)
    assert output.read_bytes() == first
    other = run("diff", output)
    assert other.exit_code == 0, other.output
    assert run("diff", output, output).stdout == "0 new, 0 gone, 0 changed\n"
    assert run(*words[:-1], tmp_path / "prices.yaml").exit_code == 2


def test_files_that_are_no_price_lists(tmp_path):
    empty, binary = save(tmp_path, "", "a.csv"), tmp_path / "b.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    other = save(tmp_path, "x,y\n1,2\n", "c.csv")
    for file in (empty, binary, other, tmp_path / "none.csv", tmp_path):
        for source in ("skypilot", "gpuhunt"):
            result = run("import", file, "--from", source, "-o", tmp_path / "offers.yaml")
            assert result.exit_code == 2, file
            assert result.exception is None or isinstance(result.exception, SystemExit)
    assert run("import", other, "--from", "elsewhere").exit_code == 2
    assert run("diff", other).exit_code == 2
    bad = save(tmp_path, "as_of: x\nrows:\n- {id: a, source: b}\n", "bad_offers.yaml")
    assert "bad_offers.yaml:3" in run("diff", bad).stderr


def test_a_list_price_of_what_is_not_sold_on_demand_is_left_out(tmp_path, catalog):
    text = GCP.splitlines()[0] + "\n" + "a3-highgpu-1g,26,234,H100,1,,us-central1,us-central1-a,11.06,6.32\n"
    (row,) = read_skypilot(save(tmp_path, text), catalog, "gcp", "2026-11-20").rows
    assert "price_usd_h" not in row and row["spot_usd_h"] == 6.32
    assert row["flags"] == ["no_on_demand"]
