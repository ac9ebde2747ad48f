def model(dbt, session):
    from trackline import insights

    dbt.config(materialized="table")
    return insights.model_evaluations(
        session,
        insights.Tables(
            dbt.ref("int_analyses"),
            dbt.ref("int_samples"),
            dbt.ref("int_indicator_values"),
            dbt.ref("int_target_values"),
            dbt.ref("analytics_indicators"),
            dbt.ref("analytics_targets"),
        ),
    )
