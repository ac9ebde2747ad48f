def model(dbt, session):
    from trackline import landing

    dbt.config(materialized="table")
    names = [t.name for t in landing.MOODLE_TABLES if t.name not in landing.LOGS]
    return landing.stage_moodle(session, names, dbt.ref("stg_landing__files"))
