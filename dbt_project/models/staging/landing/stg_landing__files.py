def model(dbt, session):
    from trackline import landing

    dbt.config(materialized="table")
    return landing.new_files(session, dbt.ref("districts"))
