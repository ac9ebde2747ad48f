"""`trackline demo`: write the demo districts' landing files."""

from __future__ import annotations

from pathlib import Path

import typer


def demo() -> None:
    """Write the demo districts' landing files (same bytes each time)."""
    from trackline.config import load
    from trackline.demo import write_demo
    from trackline.settings import Settings

    settings = Settings.from_environment()
    typer.echo(f"Writing the demo districts' files below {settings.landing}")

    def tell(district_id: str, files: list[Path]) -> None:
        kilobytes = sum(path.stat().st_size for path in files) / 1024
        typer.echo(f"  {district_id}: {len(files)} files, {kilobytes:.0f} KB")

    write_demo(settings.landing, load(settings.seeds), tell)
    typer.echo("Next: `make build`, or `cd dbt_project && dbt build`")
