def model(dbt, session):
    from trackline.recommender import Options
    from trackline.recommender.build import build
    from trackline.settings import Settings

    dbt.config(materialized="table")
    tables = {
        "apps": dbt.ref("int_recommender_apps"),
        "students": dbt.ref("dim_students").filter("type = 1"),
        "histories": dbt.ref("int_recommender_histories"),
        "co_use": dbt.ref("int_co_use"),
        "outcomes": dbt.ref("int_outcomes"),
        "outcome_uses": dbt.ref("int_outcome_uses"),
    }
    options = Options(
        outcome_weight=float(dbt.config.get("outcome_weight")),
        pooling=bool(dbt.config.get("pooling")),
        include_familiar=bool(dbt.config.get("include_familiar")),
        settings_days=int(dbt.config.get("settings_days")),
        settings_from=int(dbt.config.get("settings_from")),
    )
    return build(session, tables, Settings.from_environment().models, options)
