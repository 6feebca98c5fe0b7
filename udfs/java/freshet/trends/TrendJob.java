package freshet.trends;

import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.datastream.AsyncDataStream;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.DataType;
import org.apache.flink.types.Row;

/**
 * The keyed half of the trends job, behind the SQL that reads the events.
 *
 * <p>events -> (by user) what they bring to rows -> (by row) decayed counts -> online store
 */
public final class TrendJob {
    private static final int IN_FLIGHT = 2_000;
    private static final long NO_TIMEOUT = 0; // the store's client has one

    private TrendJob() {}

    /** Returns what is left when everything is written: nothing, of the columns that {@link #puts} has. */
    public static Table attach(StreamTableEnvironment tables, Table brought, String spec) {
        TrendSpec parsed = TrendSpec.parse(spec);
        return tables.fromDataStream(rows(AsyncDataStream.unorderedWait(
                        puts(tables, brought, parsed), new TrendWriter(parsed), NO_TIMEOUT, TimeUnit.SECONDS, IN_FLIGHT)
                .returns(Put.TYPE)
                .uid("online-store")
                .name("online-store")));
    }

    /** Returns what would be written, of the columns name, member, as_of, count and value; value is null for members of sets. */
    public static Table puts(StreamTableEnvironment tables, Table brought, String spec) {
        return tables.fromDataStream(rows(puts(tables, brought, TrendSpec.parse(spec))));
    }

    private static SingleOutputStreamOperator<Row> rows(DataStream<Put> puts) {
        return puts.map(put -> Row.of(put.name, put.member, put.asOf, put.count, put.row))
                .returns(Types.ROW_NAMED(
                        new String[] {"name", "member", "as_of", "count", "value"},
                        Types.STRING,
                        Types.STRING,
                        Types.LONG,
                        Types.LONG,
                        Types.STRING))
                .uid("written")
                .name("written");
    }

    private static DataStream<Put> puts(StreamTableEnvironment tables, Table brought, TrendSpec spec) {
        DataType type = brought.getResolvedSchema().toPhysicalRowDataType();
        DataStream<RowData> events = tables.toDataStream(brought, type.bridgedTo(RowData.class));
        SingleOutputStreamOperator<RowPart> parts = events.keyBy(
                        row -> row.getString(Visits.SUBJECT).toString(), Types.STRING)
                .transform("visits", RowPart.TYPE, new Visits(spec))
                .uid("visits");
        return parts.keyBy(part -> part.place, Types.STRING)
                .process(new Rows(spec))
                .returns(Put.TYPE)
                .uid("rows")
                .name("rows");
    }
}
