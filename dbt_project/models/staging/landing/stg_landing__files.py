def model(dbt, session):
    from trackline import landing
    from trackline.settings import Settings

    dbt.config(materialized="table")
    time_zones = dbt.ref("districts").project("district_id, time_zone").fetchall()
    zones, read = dict(time_zones), landing.already_read(session)
    attached = [
        *landing.attached_tables(session, zones, is_full=not read),
        *landing.source_tables(session, zones, read),
    ]
    return landing.files_to_read(Settings.from_environment(), zones, read, attached)
