def model(dbt, session):
    from trackline import insights

    dbt.config(materialized="table")
    return insights.used_samples(session, dbt.ref("int_analyses"))
