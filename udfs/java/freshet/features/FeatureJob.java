package freshet.features;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.streaming.api.datastream.AsyncDataStream;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.DataType;
import org.apache.flink.types.Row;

/**
 * The keyed half of the features job, between the SQL that reads the events and the SQL that announces them.
 *
 * <p>events -> a touch for each entity -> (by entity) features -> online store -> (by subject) announcement; of events that are
 * too late for a feature: features -> rejections
 */
public final class FeatureJob {
    static final String ENGINE = "features"; // the uid of the operator that holds the features' state

    private static final int IN_FLIGHT = 2_000;
    private static final long NO_TIMEOUT = 0; // the store's client has one, and a timer for each element costs more than it

    private FeatureJob() {}

    /**
     * Returns what becomes of the events in {@code brought}: the announcements, of the columns subject and payload; and of those
     * that came too late for a feature the records for {@code interactions.rejected}, of the column payload.
     */
    public static Table[] attach(StreamTableEnvironment tables, Table brought, String spec) {
        Spec parsed = Spec.parse(spec);
        SingleOutputStreamOperator<Write> writes = writes(tables, brought, parsed);
        return new Table[] {
            tables.fromDataStream(announcements(writes, parsed)), tables.fromDataStream(tooLate(writes))
        };
    }

    /** Returns what would be written, of the columns key, as_of, version and values: each of them behind its length. */
    public static Table values(StreamTableEnvironment tables, Table brought, String spec) {
        return tables.fromDataStream(writes(tables, brought, Spec.parse(spec))
                .map(FeatureJob::row)
                .returns(Types.ROW_NAMED(
                        new String[] {"key", "as_of", "version", "values"},
                        PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO,
                        Types.LONG,
                        Types.LONG,
                        PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO)));
    }

    private static Row row(Write write) throws IOException {
        DataOutputSerializer values = new DataOutputSerializer(256);
        for (byte[] value : write.values) {
            values.writeInt(value.length);
            values.write(value);
        }
        byte[] key = new byte[write.key.length + write.versionField.length];
        System.arraycopy(write.versionField, 0, key, 0, write.versionField.length);
        System.arraycopy(write.key, 0, key, write.versionField.length, write.key.length);
        return Row.of(key, write.asOf, write.version, values.getCopyOfBuffer());
    }

    private static DataStream<Row> announcements(DataStream<Write> writes, Spec spec) {
        return AsyncDataStream.unorderedWait(writes, new RedisWriter(spec), NO_TIMEOUT, TimeUnit.SECONDS, IN_FLIGHT)
                .returns(Cause.TYPE)
                .uid("online-store")
                .name("online-store")
                .keyBy(cause -> cause.subject, Types.STRING)
                .process(new Announcer(spec))
                .returns(Types.ROW_NAMED(
                        new String[] {"subject", "payload"},
                        Types.STRING,
                        PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO))
                .uid("announce")
                .name("announce");
    }

    private static DataStream<Row> tooLate(SingleOutputStreamOperator<Write> writes) {
        return writes.getSideOutput(TooLate.TAG)
                .map(payload -> Row.of((Object) payload))
                .returns(Types.ROW_NAMED(
                        new String[] {"payload"}, PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO))
                .uid("too-late")
                .name("too-late");
    }

    /** Returns the new values of entities, one for each touch and one when a window or session is over. */
    static SingleOutputStreamOperator<Write> writes(StreamTableEnvironment tables, Table brought, Spec spec) {
        return touches(tables, brought, spec)
                .transform("stream-time", Touch.TYPE, new StreamClock(spec.watermarkDelayMs))
                .uid("stream-time")
                .keyBy(Touch::entity, Types.STRING)
                .process(new FeatureEngine(spec))
                .returns(Write.TYPE)
                .uid(ENGINE)
                .name(ENGINE);
    }

    /** Returns what the events bring to each entity that they touch. */
    static SingleOutputStreamOperator<Touch> touches(StreamTableEnvironment tables, Table brought, Spec spec) {
        DataType type = brought.getResolvedSchema().toPhysicalRowDataType();
        DataStream<RowData> rows = tables.toDataStream(brought, type.bridgedTo(RowData.class));
        return rows.flatMap(new Explode(spec, type.getLogicalType().getChildren()))
                .returns(Touch.TYPE)
                .uid("touches")
                .name("touches");
    }
}
