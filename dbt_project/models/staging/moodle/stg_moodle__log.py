def model(dbt, session):
    from trackline import landing

    dbt.config(materialized="table")
    return landing.stage_moodle(session, landing.LOGS, dbt.ref("stg_landing__files"))
