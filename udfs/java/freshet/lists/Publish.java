package freshet.lists;

import java.io.IOException;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.types.Row;
import org.apache.flink.util.Collector;

/**
 * Takes apart what Python made of a batch, an array of JSON texts: the first tells metrics, each of the others is a list, which
 * goes on as its subject and the Avro record of the same fields.
 */
final class Publish extends RichFlatMapFunction<RowData, Row> {
    private static final long serialVersionUID = 1L;

    private final String schema;
    private final int schemaId;
    private transient ObjectMapper json;
    private transient JsonToAvro avro;
    private transient ToldMetrics metrics;

    Publish(String schema, int schemaId) {
        this.schema = schema;
        this.schemaId = schemaId;
    }

    @Override
    public void open(OpenContext context) throws IOException {
        json = new ObjectMapper();
        avro = new JsonToAvro(json.readTree(schema), schemaId);
        metrics = new ToldMetrics(getRuntimeContext().getMetricGroup().addGroup("freshet"));
    }

    @Override
    public void flatMap(RowData row, Collector<Row> out) throws IOException {
        ArrayData made = row.getArray(0);
        metrics.tell(json.readTree(made.getBinary(0)));
        for (int at = 1; at < made.size(); at++) {
            JsonNode list = json.readTree(made.getBinary(at));
            out.collect(Row.of(list.get("subject").textValue(), avro.record(list)));
        }
    }
}
