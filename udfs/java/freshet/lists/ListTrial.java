package freshet.lists;

import java.io.IOException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** Writes records one by one, for the tests that hold {@link JsonToAvro} to an Avro library. */
public final class ListTrial {
    private final ObjectMapper json = new ObjectMapper();
    private final JsonToAvro avro;

    public ListTrial(String schema, int schemaId) throws IOException {
        avro = new JsonToAvro(json.readTree(schema), schemaId);
    }

    public byte[] record(byte[] list) throws IOException {
        return avro.record(json.readTree(list));
    }
}
