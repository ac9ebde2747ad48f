def model(dbt, session):
    from trackline import landing

    dbt.config(materialized="table")
    return landing.stage(session, "app_usage", dbt.ref("stg_landing__files"))
