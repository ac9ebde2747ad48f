"""`trackline onboard`: add a district to the seeds and make its landing folder."""

from __future__ import annotations

from typing import Annotated

import typer

from trackline.settings import RefusedError, Settings


def onboard(
    district_id: Annotated[
        str, typer.Argument(metavar="ID", help="Short id: a-z, 0-9 and _, at most 32.")
    ],
    name: Annotated[str, typer.Option(help="Name shown to people.")],
    app: Annotated[
        list[str] | None,
        typer.Option(metavar="ID=NAME", help="A selected application; repeatable."),
    ] = None,
    time_zone: Annotated[
        str, typer.Option(help="IANA time zone of the district.")
    ] = "America/New_York",
    school_year_start: Annotated[
        str, typer.Option(metavar="MM-DD", help="First day of the school year.")
    ] = "08-01",
    nces_lea_id: Annotated[str, typer.Option(help="Seven-digit NCES id.")] = "",
    score_basis: Annotated[str, typer.Option(help="latest or mean.")] = "latest",
    as_of: Annotated[
        str, typer.Option(metavar="DATE", help="Fixed today; empty: today.")
    ] = "",
) -> None:
    """Add a district's seed rows and landing folder, or say what is wrong."""
    from trackline.onboard import onboard as add

    settings = Settings.from_environment()
    district = {
        "district_id": district_id,
        "district_name": name,
        "nces_lea_id": nces_lea_id,
        "time_zone": time_zone,
        "school_year_start": school_year_start,
        "as_of": as_of,
        "score_basis": score_basis,
    }
    apps = [_app(text) for text in app or []]
    place = add(settings.seeds, settings.landing, district, apps)
    typer.echo(
        f"{district_id} is configured in {settings.seeds}: time zone {time_zone}, "
        f"school year from {school_year_start}, {len(apps)} applications.\n"
        f"Its files belong into {place}/app_usage, {place}/scores, ...\n"
        "Next: `make build`"
    )


def _app(text: str) -> dict[str, str]:
    app_id, equals, app_name = text.partition("=")
    if not equals:
        raise RefusedError(f"--app {text!r} is not ID=NAME, such as --app 1042=Algebra")
    return {"app_id": app_id, "app_name": app_name}
