def model(dbt, session):
    from trackline import insights

    dbt.config(materialized="table")
    return insights.used_samples(dbt.ref("int_analyses").df())
