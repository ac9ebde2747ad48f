def model(dbt, session):
    from trackline import insights

    dbt.config(materialized="table")
    dbt.ref("int_prediction_runs")
    return insights.stored_predictions(session)
