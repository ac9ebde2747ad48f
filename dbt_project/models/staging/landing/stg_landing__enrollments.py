def model(dbt, session):
    from trackline import landing

    dbt.config(materialized="table")
    return landing.stage(session, "enrollments", dbt.ref("stg_landing__files"))
