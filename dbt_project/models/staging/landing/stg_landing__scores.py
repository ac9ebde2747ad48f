def model(dbt, session):
    from trackline import landing

    dbt.config(materialized="table")
    return landing.stage(session, "scores", dbt.ref("stg_landing__files"))
