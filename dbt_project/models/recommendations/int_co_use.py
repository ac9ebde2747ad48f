def model(dbt, session):
    from trackline.recommender import Options
    from trackline.recommender.build import co_use

    dbt.config(materialized="table")
    pool_below = Options().pool_below if dbt.config.get("pooling") else 0
    return co_use(session, dbt.ref("int_recommender_histories"), pool_below)
