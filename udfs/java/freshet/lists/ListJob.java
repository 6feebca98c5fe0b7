package freshet.lists;

import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.DataType;
import org.apache.flink.types.Row;

/**
 * What stands on both sides of the Python that makes lists.
 *
 * <p>announcements -> batches of those that came while the last one was under way -> (Python) -> records for
 * {@code recommendations}, and metrics
 */
public final class ListJob {
    private static final TypeInformation<byte[]> BYTES = PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO;
    private static final TypeInformation<Row> BATCH =
            Types.ROW_NAMED(new String[] {"payloads"}, Types.OBJECT_ARRAY(BYTES));
    private static final TypeInformation<Row> RECORD =
            Types.ROW_NAMED(new String[] {"subject", "payload"}, Types.STRING, BYTES);

    private ListJob() {}

    /** Returns announcements, of the column payload, in batches, of the column payloads: see {@link Gather}. */
    public static Table gather(StreamTableEnvironment tables, Table announced, int most, long waitMs) {
        // What waits for its turn waits in front of a chain of its own: see Gather.
        return tables.fromDataStream(rows(tables, announced)
                .transform("gather", BATCH, new Gather(most, waitMs))
                .uid("gather")
                .startNewChain());
    }

    /** Returns the records of lists, of the columns subject and payload: see {@link Publish}. */
    public static Table publish(StreamTableEnvironment tables, Table made, String schema, int schemaId) {
        return tables.fromDataStream(rows(tables, made)
                .flatMap(new Publish(schema, schemaId))
                .returns(RECORD)
                .uid("publish")
                .name("publish"));
    }

    private static DataStream<RowData> rows(StreamTableEnvironment tables, Table table) {
        DataType type = table.getResolvedSchema().toPhysicalRowDataType();
        return tables.toDataStream(table, type.bridgedTo(RowData.class));
    }
}
