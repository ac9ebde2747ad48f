def model(dbt, session):
    from trackline.recommender import gram_sql

    dbt.config(materialized="table")
    dbt.ref("int_recommender_histories").create_view("co_use_rows", replace=True)
    return session.sql(gram_sql("co_use_rows", "duckdb"))
