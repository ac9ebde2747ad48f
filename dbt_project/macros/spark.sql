{#- What the spark target does otherwise: the incremental materialization, the merge, the
    frames, seeds and the Python models. docs/scale.md tells why. -#}

{#- Plain Parquet tables are replaced whole, in two steps: a table that a killed build has
    left without its name counts as lost, and all files are read again
    (trackline.cluster.staging). Days of use alone are replaced day by day. -#}
{% materialization incremental, adapter="spark", supported_languages=["sql"] -%}
    {%- set relation = this.incorporate(type="table") -%}
    {%- set existing = load_relation(this) -%}
    {%- set fresh = api.Relation.create(identifier="fresh_" ~ this.identifier) -%}
    {{ run_hooks(pre_hooks) }}
    {%- if existing is none or not is_incremental() -%}
        {%- do replace_table(relation, compiled_code) -%}
    {%- else -%}
        {%- do run_statement(spark__create_temporary_view(fresh, compiled_code)) -%}
        {%- set arguments = {
            "target_relation": relation,
            "temp_relation": fresh,
            "unique_key": config.get("unique_key"),
            "dest_columns": adapter.get_columns_in_relation(relation),
        } -%}
        {%- set strategy = config.get("incremental_strategy") -%}
        {%- if strategy == "newest_version" -%}
            {%- do spark__newest_version(arguments) -%}
        {%- elif strategy == "newest_snapshot" -%}
            {%- do spark__newest_snapshot(arguments) -%}
        {%- elif strategy != "append" -%}
            {%- do exceptions.raise_compiler_error(
                strategy ~ " is no incremental strategy of the spark target"
            ) -%}
        {%- endif -%}
    {%- endif -%}
    {%- call noop_statement("main", "OK") -%} {{ compiled_code }} {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {{ return({"relations": [relation]}) }}
{%- endmaterialization %}

{% macro run_statement(sql) -%}
    {%- call statement(auto_begin=False) -%} {{ sql }} {%- endcall -%}
{%- endmacro %}

{% macro table_layout() -%}
    {%- set cut = (config.get("meta") or {}).get("partition") -%}
    using {{ config.get("file_format") or "parquet" }}
    {%- if cut %} partitioned by ({{ cut }}) {%- endif -%}
{%- endmacro %}

{#- Builds the table beside the one that it may read, then takes its place. -#}
{% macro replace_table(relation, sql) -%}
    {%- set layout = table_layout() if relation.identifier == this.identifier else "using parquet" -%}
    {%- if config.get("file_format") in ["delta", "iceberg"] -%}
        {%- do run_statement(
            "create or replace table " ~ relation ~ " " ~ layout ~ " as " ~ sql
        ) -%}
    {%- else -%}
        {%- set next = relation.incorporate(
            path={"identifier": relation.identifier ~ "__next"}
        ) -%}
        {%- do run_statement("drop table if exists " ~ next) -%}
        {%- do run_statement(
            "create table " ~ next ~ " " ~ layout ~ " as " ~ sql
        ) -%}
        {%- do run_statement("drop table if exists " ~ relation) -%}
        {%- do run_statement("alter table " ~ next ~ " rename to " ~ relation) -%}
    {%- endif -%}
    {%- do adapter.cache_added(relation) -%}
{%- endmacro %}

{#- The same rule as duckdb__newest_version. The winners are written first, for what they
    replace is read from the table that is about to change; then the log, by the number of
    this merge: a merge that was killed has the same number when it is repeated. -#}
{% macro spark__newest_version(arguments) -%}
    {%- set kept = arguments["target_relation"] -%}
    {%- set key = arguments["unique_key"] -%}
    {%- set columns = arguments["dest_columns"] | map(attribute="name") | join(", ") -%}
    {%- set meta = config.get("meta") -%}
    {%- set cut = meta.get("partition") -%}
    {%- set winners = kept.incorporate(
        path={"identifier": "winners_of_" ~ kept.identifier}
    ) -%}
    {%- do run_statement("drop table if exists " ~ winners) -%}
    {%- do run_statement(
        "create table " ~ winners ~ " using parquet as "
        ~ winners_sql(kept, arguments["temp_relation"], key, meta)
    ) -%}
    {%- set touched = run_query(
        "select distinct cast(" ~ (cut or "1") ~ " as string) from " ~ winners ~ " order by 1"
    ).columns[0].values() -%}
    {%- if touched -%}
        {%- if meta.get("superseded") and not is_counted_anew(meta["superseded"]) -%}
            {%- do log_superseded(ref(meta["superseded"]), kept, winners, key) -%}
        {%- endif -%}
        {%- set merged -%}
            select {{ columns }}
            from {{ kept }} as kept
            left anti join {{ winners }} as winners on {{ same_key("kept", "winners", key) }}
            {%- if cut %}
            where kept.{{ cut }} in (date '{{ touched | join("', date '") }}')
            {%- endif %}
            union all
            select {{ columns }} from {{ winners }}
            {%- if meta.get("keep") %} where {{ meta["keep"] }} {%- endif %}
        {%- endset -%}
        {%- if cut -%}
            {%- do overwrite_partitions(kept, columns, merged, cut) -%}
        {%- else -%}
            {%- do replace_table(kept, merged) -%}
        {%- endif -%}
    {%- endif -%}
    {%- do run_statement("drop table if exists " ~ winners) -%}
{%- endmacro %}

{% macro winners_sql(kept, fresh, key, meta) -%}
    {%- set version = meta["version"] -%}
    select fresh.*
    from {{ fresh }} as fresh
    {%- if version %}
    left join {{ kept }} as kept on {{ same_key("fresh", "kept", key) }}
    where
        kept.{{ key[0] }} is null
        or struct({{ qualified("fresh", version) }}) >= struct({{ qualified("kept", version) }})
        {%- if meta.get("always") %} or ({{ meta["always"] }}) {%- endif %}
    {%- endif %}
{%- endmacro %}

{% macro same_key(one, other, key) -%}
    {%- for name in key -%}
        {{ one }}.{{ name }} = {{ other }}.{{ name }}{{ " and " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro log_superseded(log, kept, winners, key) -%}
    {%- set values = [] -%}
    {%- for column in adapter.get_columns_in_relation(log) -%}
        {%- do values.append({
            "merged_in": "winners.merged_in", "was_merged_in": "kept.merged_in"
        }.get(column.name, "kept." ~ column.name)) -%}
    {%- endfor -%}
    {%- do run_statement(
        "insert overwrite table " ~ log ~ " select " ~ values | join(", ")
        ~ " from " ~ winners ~ " as winners inner join " ~ kept ~ " as kept on "
        ~ same_key("winners", "kept", key)
    ) -%}
{%- endmacro %}

{#- Spark moves one day after the other into place: a build that is killed there leaves the
    mark, and without it the table counts as lost (trackline.cluster.staging). -#}
{% macro overwrite_partitions(relation, columns, sql, cut) -%}
    {%- set mark = "alter table " ~ relation ~ " %s tblproperties ('trackline.merging'%s)" -%}
    {%- do run_statement(mark | format("set", " = 'true'")) -%}
    {%- do run_statement(
        "insert overwrite table " ~ relation ~ " select /*+ rebalance(" ~ cut ~ ") */ "
        ~ columns ~ " from (" ~ sql ~ ") as merged"
    ) -%}
    {%- do run_statement(mark | format("unset", "")) -%}
{%- endmacro %}

{#- Each district's newest snapshot in place of the one before: duckdb__newest_snapshot. -#}
{% macro spark__newest_snapshot(arguments) -%}
    {%- set kept = arguments["target_relation"] -%}
    {%- set fresh = arguments["temp_relation"] -%}
    {%- set columns = arguments["dest_columns"] | map(attribute="name") | join(", ") -%}
    {%- set meta = config.get("meta") -%}
    {%- set scope = meta.get("scope", ["district_id"]) -%}
    {%- set ledger = load_relation(ledger_relation()) -%}
    {%- set replaced -%}
        select newest.{{ scope | join(", newest.") }}
        from ({{ newest_snapshots(meta["staged"], meta["tables"]) }}) as newest
        {%- if ledger %}
        left anti join {{ ledger }} as ledger
            on ledger.district_id = newest.district_id
            and ledger.table_name = newest.table_name
            and ledger.status = 'loaded'
            and struct(ledger.modified_at, ledger.path)
            > struct(newest.modified_at, newest.path)
        {%- endif %}
    {%- endset -%}
    {%- set on -%}
        {%- for name in scope -%}
            rows.{{ name }} = replaced.{{ name }}{{ " and " if not loop.last }}
        {%- endfor -%}
    {%- endset -%}
    {%- if run_query("select 1 from (" ~ replaced ~ ") as replaced limit 1").rows -%}
        {%- do replace_table(
            kept,
            "select " ~ columns ~ " from " ~ kept ~ " as rows left anti join ("
            ~ replaced ~ ") as replaced on " ~ on
            ~ " union all select " ~ columns ~ " from " ~ fresh ~ " as rows left semi join ("
            ~ replaced ~ ") as replaced on " ~ on
        ) -%}
    {%- endif -%}
{%- endmacro %}

{#- A view per district, as on DuckDB; Spark quotes names by backticks. -#}
{% materialization district_frames, adapter="spark" -%}
    {%- set registry = this.incorporate(type="table") -%}
    {{ run_hooks(pre_hooks) }}
    {%- do replace_table(registry, compiled_code) -%}
    {%- set frames = run_query(
        "select district_id, frame_name from " ~ registry ~ " order by 1"
    ).rows -%}
    {%- set apps = run_query(
        "select district_id, app_id, position from "
        ~ ref("int_district_apps") ~ " order by district_id, position"
    ).rows -%}
    {%- do run_statement("create schema if not exists frames") -%}
    {%- set wanted = frames | map(attribute=1) | list -%}
    {%- for row in run_query("show views in frames").rows
        if row[1] not in wanted and not row[2] -%}
        {%- do run_statement("drop view frames.`" ~ row[1] ~ "`") -%}
    {%- endfor -%}
    {%- for frame in frames -%}
        {%- set own = apps | selectattr(0, "equalto", frame[0]) | list -%}
        {%- do run_statement(
            "create or replace view frames." ~ frame[1] ~ " as " ~ spark_frame_sql(frame[0], own)
        ) -%}
    {%- endfor -%}
    {%- call noop_statement("main", "OK") -%} {{ compiled_code }} {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {{ return({"relations": [registry]}) }}
{%- endmaterialization %}

{% macro spark_frame_sql(district_id, apps) -%}
    select
        students.student_id,
        students.type,
        students.performance,
        students.score,
        students.measured_on
        {%- for app in apps -%}
            , coalesce(cells.`{{ app[2] }}`, 0) as `{{ app[1] | replace("`", "``") }}`
        {%- endfor %}
    from {{ ref("dim_students") }} as students
    {%- if apps %}
    left join
        (
            select *
            from
                (
                    select usage.student_id, apps.position, usage.usage_minutes
                    from {{ ref("int_usage_current") }} as usage
                    inner join {{ ref("int_district_apps") }} as apps
                        on usage.district_id = apps.district_id
                        and usage.app_id = apps.app_id
                    where usage.district_id = '{{ district_id }}'
                )
            pivot (
                sum(usage_minutes) for position in (
                    {%- for app in apps -%}
                        {{ app[2] }} as `{{ app[2] }}`{{ ", " if not loop.last }}
                    {%- endfor -%}
                )
            )
        ) as cells
        on students.student_id = cells.student_id
    {%- endif %}
    where students.district_id = '{{ district_id }}'
{%- endmacro %}

{#- Seeds go in as parameters: no value of a cell ever is SQL text. -#}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set types = model.config.get("column_types", {}) -%}
    {%- set row_sql -%}
        ({%- for name in agate_table.column_names -%}
            cast(? as {{ types.get(name, adapter.convert_type(agate_table, loop.index0)) }})
            {{- ", " if not loop.last -}}
        {%- endfor -%})
    {%- endset -%}
    {%- set given = agate_table.rows -%}
    {%- if model.name == "role_assignments" -%}
        {%- set given = fromjson(spark_answer("role_assignments")) -%}
    {%- endif -%}
    {%- for rows in given | batch(1000) -%}
        {%- set bindings = [] -%}
        {%- for row in rows -%}
            {%- for name in agate_table.column_names -%} {%- do bindings.append(row[name]) -%} {%- endfor -%}
        {%- endfor -%}
        {%- set sql = "insert into " ~ this ~ " values " ~ ([row_sql] * (rows | length)) | join(", ") -%}
        {%- do adapter.add_query(sql, bindings=bindings, abridge_sql_log=True) -%}
    {%- endfor -%}
    {{- return("insert into " ~ this) -}}
{%- endmacro %}

{#- A Python model runs in dbt's process on its session: trackline.cluster.adapter. -#}
{% macro spark__create_table_as(temporary, relation, compiled_code, language="sql") -%}
    {%- if language == "python" -%} {{ python_model(relation, compiled_code) }}
    {%- else -%}
        {{ dbt.spark__create_table_as(temporary, relation, compiled_code, language) }}
    {%- endif -%}
{%- endmacro %}

{% macro python_model(relation, compiled_code) %}
{{ compiled_code }}

dbt = dbtObj(spark.table)
as_dataframe(model(dbt, spark)).write.mode("overwrite").format(
    "{{ config.get('file_format') or 'parquet' }}"
).saveAsTable("{{ relation }}")
{% endmacro %}

{#- Counts of days of use are made anew on Spark: a scan of the year in parallel, where a
    kept-up count would need a transaction over two tables. The meta of these models says
    rebuilt_on_spark. Events have a mark, for to sum the same days twice does no harm. -#}
{% macro is_incremental() -%}
    {%- if target.type == "spark" and (config.get("meta") or {}).get("rebuilt_on_spark") -%}
        {{- return(false) -}}
    {%- endif -%}
    {{- return(dbt.is_incremental()) -}}
{%- endmacro %}

{% macro is_counted_anew(superseded) -%}
    {{- return(superseded == "int_superseded_usage") -}}
{%- endmacro %}

{% macro spark__begin_counting(is_void) -%} select 1 {%- endmacro %}

{% macro spark__end_counting(source, districts) -%}
    {%- if execute and not (config.get("meta") or {}).get("rebuilt_on_spark") -%}
        {%- set marks = ref("int_usage_marks") -%}
        {%- set marked -%}
            select * from {{ marks }} where reader <> '{{ this.identifier }}'
            union all
            select
                '{{ this.identifier }}' as reader,
                district_id,
                coalesce((select max(merged_in) from {{ ref(source) }}), 0) as counted_to,
                as_of,
                school_year_starts_on,
                time_zone
            from {{ ref("int_districts") }}
            where {{ districts }}
        {%- endset -%}
        {%- do replace_table(marks, marked) -%}
    {%- endif -%}
    select 1
{%- endmacro %}

{% macro spark__forget_counted(superseded, readers) -%}
    {%- if execute and not is_counted_anew(superseded) -%}
        {%- set marks = ref("int_usage_marks") -%}
        {%- set names = "('" ~ readers | join("', '") ~ "')" -%}
        {%- if not is_incremental() -%}
            {%- do replace_table(
                marks, "select * from " ~ marks ~ " where reader not in " ~ names
            ) -%}
        {%- endif -%}
        {%- set uncounted = run_query(
            "select 1 from " ~ ref(superseded) ~ " as superseded inner join " ~ marks
            ~ " as marks on marks.district_id = superseded.district_id"
            ~ " and marks.counted_to < superseded.merged_in and marks.reader in " ~ names
            ~ " limit 1"
        ).rows -%}
        {%- if not uncounted -%} {%- do run_statement("truncate table " ~ ref(superseded)) -%} {%- endif -%}
    {%- endif -%}
    select 1
{%- endmacro %}

{% macro spark_answer(name) -%}
    {{- return(run_query(
        "select answer from trackline_answer_" ~ name
    ).rows[0][0]) -}}
{%- endmacro %}

{% macro spark__configuration_problems() -%}
    {{- return(spark_answer("configuration_problems")) -}}
{%- endmacro %}

{#- The key's fingerprint is a property of the ledger, as it is its comment on DuckDB. -#}
{% macro spark__refuse_another_pseudonym_key() -%}
    {%- if load_relation(ledger_relation()) -%}
        {%- set properties = run_query("show tblproperties " ~ ledger_relation()).rows -%}
        {%- set kept = properties | selectattr(0, "equalto", "trackline.key") | list -%}
        {%- if (kept[0][1] if kept else "") != spark_answer("key_fingerprint") -%}
            {%- do refuse_key() -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro spark__forget_ledger() -%}
    {%- do run_query("truncate table " ~ ledger_relation()) -%}
    {%- do run_query(
        "alter table " ~ ledger_relation()
        ~ " set tblproperties ('trackline.key' = 'between two keys')"
    ) -%}
{%- endmacro %}
