def model(dbt, session):
    from trackline import landing

    dbt.config(materialized="table")
    return landing.stage(session, "insight_actions", dbt.ref("stg_landing__files"))
