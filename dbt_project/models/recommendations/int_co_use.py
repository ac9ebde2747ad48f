def model(dbt, session):
    from trackline.recommender import Options
    from trackline.recommender.build import co_use

    dbt.config(materialized="table")
    return co_use(session, dbt.ref("int_recommender_histories"), Options().pool_below)
