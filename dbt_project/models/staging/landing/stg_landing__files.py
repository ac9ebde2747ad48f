def model(dbt, session):
    from trackline import landing
    from trackline.settings import Settings

    dbt.config(materialized="table")
    time_zones = dbt.ref("districts").project("district_id, time_zone").fetchall()
    return landing.files_to_read(
        Settings.from_environment(), dict(time_zones), landing.already_read(session)
    )
